using System.Text.Json;

namespace Wake.Contracts.Http;

/// <summary>
/// What a replayed event says otherwise than the first. What is left out stays as it was. A changed one is only the
/// word of whoever replays it, and no longer of the forge that told the first.
/// </summary>
/// <param name="Type">Its type.</param>
/// <param name="Subject">What it is about.</param>
/// <param name="Reason">Its sentence.</param>
/// <param name="Delivery">Whether it starts turns.</param>
/// <param name="Data">Its data, in place of all that the first had.</param>
public sealed record ReplayChanges(
    string? Type = null,
    string? Subject = null,
    string? Reason = null,
    Delivery? Delivery = null,
    JsonElement? Data = null
);
