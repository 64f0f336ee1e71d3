namespace Wake.Contracts;

/// <summary>
/// What the events of a publisher, a key or a hook, may say. Sources, types and subjects by their beginnings:
/// <c>github:acme/hello</c> is also <c>github:acme/hello#7</c> and not <c>github:acme/hello-2#7</c>; with a <c>*</c> at
/// its end it is everything that begins so. An empty list sets no limit.
/// </summary>
public sealed class PublishPermissions
{
    /// <summary>No limit at all.</summary>
    public static PublishPermissions Unrestricted { get; } = new();

    /// <summary>What an event's source begins with.</summary>
    public IReadOnlyList<string> Sources { get; init; } = [];

    /// <summary>What its type begins with.</summary>
    public IReadOnlyList<string> Types { get; init; } = [];

    /// <summary>What its subject, and each that it is related to, begins with.</summary>
    public IReadOnlyList<string> Subjects { get; init; } = [];

    /// <summary>What is wrong with the lists themselves, in a sentence; null when nothing is.</summary>
    public string? Problem() =>
        Sources.Concat(Types).Concat(Subjects).Any(x => string.IsNullOrWhiteSpace(x) || x[..^1].Contains('*'))
            ? "What may be published is said by beginnings: none of them is empty, and a * stands at the end alone."
            : null;

    /// <summary>Why the publisher may not publish this event; null when it may.</summary>
    public string? DenialReason(ExternalEventObserved observed) =>
        Outside(Sources, observed.Source, ".-_") ? Sentence("source", observed.Source, Sources)
        : Outside(Types, observed.Type, "-_") ? Sentence("type", observed.Type, Types)
        : Outside(Subjects, observed.Subject, ".-_") ? Sentence("subject", observed.Subject, Subjects)
        : observed.Related?.FirstOrDefault(x => Outside(Subjects, x, ".-_")) is { } related
            ? Sentence("related subject", related, Subjects)
        : null;

    /// <summary>The same event, related only to what it may speak of. A text that mentions something else is no reason
    /// to refuse it.</summary>
    public ExternalEventObserved WithAllowedRelated(ExternalEventObserved observed) =>
        Subjects is [] || observed.Related is null
            ? observed
            : observed with
            {
                Related = observed.Related.Where(x => !Outside(Subjects, x, ".-_")).ToArray() is { Length: > 0 } left
                    ? left
                    : null,
            };

    static string Sentence(string what, string value, IReadOnlyList<string> allowed) =>
        $"The {what} {value} is not among what this may publish: {string.Join(", ", allowed)}.";

    // A name goes on with letters, digits and these.
    static bool Outside(IReadOnlyList<string> beginnings, string text, string inNames) =>
        beginnings.Count > 0
        && !beginnings.Any(x =>
            x.EndsWith('*')
                ? text.StartsWith(x[..^1], StringComparison.Ordinal)
                : text.StartsWith(x, StringComparison.Ordinal)
                    && (text.Length == x.Length || !InName(x[^1], inNames) || !InName(text[x.Length], inNames))
        );

    static bool InName(char character, string inNames) =>
        char.IsLetterOrDigit(character) || inNames.Contains(character, StringComparison.Ordinal);
}
