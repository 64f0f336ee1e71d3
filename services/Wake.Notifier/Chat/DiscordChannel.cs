using System.Globalization;
using System.Text.Json;

namespace Wake.Notifier;

/// <summary>The channel of a target, and how its messages are called there and in Wake.</summary>
sealed class DiscordChannel(DiscordApi api, string id)
{
    /// <summary>As many messages as Discord lists at once.</summary>
    public const int PageSize = 100;

    public string Id => id;

    /// <summary>Where its messages are.</summary>
    public string Messages => $"channels/{id}/messages";

    /// <summary>Wake's name for a message.</summary>
    public string NameOf(ulong message) => $"{id}:{Text(message)}";

    /// <summary>Discord's name for a message; null when it stands elsewhere.</summary>
    public string? Find(string name) => name.Split(':') is [var place, var message] && place == id ? message : null;

    /// <summary>Lists messages: the newest, or those nearest to one.</summary>
    public async Task<IReadOnlyList<JsonElement>> List(
        int limit,
        CancellationToken cancel,
        ulong? before = null,
        ulong? after = null
    )
    {
        var where =
            before is { } next ? $"&before={Text(next)}"
            : after is { } last ? $"&after={Text(last)}"
            : "";
        var found = await api.Call(HttpMethod.Get, "read", $"{Messages}?limit={limit}{where}", null, cancel);
        return found.ValueKind is JsonValueKind.Array
            ? [.. found.EnumerateArray()]
            : throw new ChatException("Discord: its answer is no list of messages");
    }

    static string Text(ulong number) => number.ToString(CultureInfo.InvariantCulture);
}
