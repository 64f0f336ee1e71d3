using System.Text.Json.Nodes;

namespace Wake.FakeClaude;

/// <summary>A message from stdin.</summary>
/// <param name="Uuid">The sender's id for it, by which it is taken only once; null when it has none.</param>
/// <param name="Content">A string, or a list of blocks.</param>
sealed record UserMessage(string? Uuid, JsonNode Content)
{
    public string RowUuid { get; } = Uuid ?? Guid.NewGuid().ToString();

    public string Text => Json.Prose(Content) ?? "";

    /// <summary>The ids a result line can name.</summary>
    public IReadOnlyList<string> Uuids => Uuid is null ? [] : [Uuid];
}
