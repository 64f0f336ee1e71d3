using System.IO.Enumeration;

namespace Wake.Producing;

/// <summary>What of a bot's comments and reviews wakes, by its words. Read from the top: the first list with a pattern
/// that matches counts.</summary>
public sealed record BotOptions
{
    /// <summary>The logins it writes as, like <c>coderabbitai[bot]</c>. Left out for a bot that Wake knows: its
    /// own.</summary>
    public IReadOnlyList<string> Logins { get; init; } = [];

    /// <summary>
    /// Words, with <c>*</c> for anything, of what is dropped. They also drop the events of an issue that it has opened
    /// under a title with such words.
    /// </summary>
    public IReadOnlyList<string> Drop { get; init; } = [];

    /// <summary>Words of what wakes.</summary>
    public IReadOnlyList<string> Wake { get; init; } = [];

    /// <summary>Words of what is handed over with the next turn and starts none.</summary>
    public IReadOnlyList<string> Ambient { get; init; } = [];

    /// <summary>What becomes of a comment or review that none of them matches.</summary>
    public BotDelivery Otherwise { get; init; } = BotDelivery.Wake;

    /// <summary>What becomes of a comment or review with this text.</summary>
    internal BotDelivery Classify(string text) =>
        Matches(Drop, text) ? BotDelivery.Drop
        : Matches(Wake, text) ? BotDelivery.Wake
        : Matches(Ambient, text) ? BotDelivery.Ambient
        : Otherwise;

    internal static bool Matches(IReadOnlyList<string> patterns, string text) =>
        patterns.Any(x => FileSystemName.MatchesSimpleExpression(x, text));

    /// <summary>What is wrong with what is said of one, in a sentence; null when nothing is.</summary>
    public string? Problem(string name) =>
        Logins is [] && !ReviewBots.Presets.ContainsKey(name)
            ? $"needs Logins: Wake knows no bot {name}, only {string.Join(", ", ReviewBots.Presets.Keys)}."
        : !Enum.IsDefined(Otherwise) ? "Otherwise is one of wake, ambient and drop."
        : Logins.Concat(Drop).Concat(Wake).Concat(Ambient).Any(string.IsNullOrWhiteSpace) ? "holds an empty entry."
        : null;
}

/// <summary>What becomes of what a bot writes.</summary>
public enum BotDelivery
{
    /// <summary>It wakes, as if a person had written it.</summary>
    Wake,

    /// <summary>It is handed over with the next turn and starts none.</summary>
    Ambient,

    /// <summary>Nobody is told.</summary>
    Drop,
}
