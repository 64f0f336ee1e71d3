using Wake.Contracts;
using Wake.ServiceDefaults;

namespace Wake.Prompting;

/// <summary>
/// Text from outside, made fit to stand in a prompt. Pure. A block of it has a name that is drawn from the message's
/// id, which no event can know; line breaks inside a text are indented, so that it cannot begin a line of its own; what
/// cannot be seen is made visible.
/// </summary>
/// <param name="messageId">The message's id.</param>
public sealed class UntrustedText(Guid messageId)
{
    // Longer than any name, key or address that is meant for people.
    const int MaxLine = 300;

    readonly string secret = messageId.ToString("N");

    /// <summary>Lines that were made here, fenced, and said to be what they are.</summary>
    public string Block(string kind, string lines, string trust) =>
        $"<{kind}-{secret} trust=\"untrusted\">\n{lines}</{kind}-{secret}>\n\n{trust}";

    /// <summary>A text as a part of a line.</summary>
    public string Line(string text) => Visible(Truncate(text, MaxLine).ReplaceLineEndings(" "));

    /// <summary>A text of several lines, each after the first beginning with what keeps it below.</summary>
    public string Lines(string text, int limit, string before) =>
        string.Join($"\n{before}", Truncate(text, limit).ReplaceLineEndings("\n").Split('\n').Select(Visible));

    /// <summary>A text that ends, where it is longer than that, with a sign that it went on.</summary>
    public static string Truncate(string text, int limit) =>
        text.Length <= limit ? text : $"{StorableText.Head(text, limit)} […]";

    // What cannot be seen could hide or reorder what a person later reads in the transcript, or say to the model what
    // no person sees. The name itself can only come from an earlier attempt's prompt, which a recap may repeat.
    string Visible(string line) =>
        VisibleText
            .ReplaceInvisible(line, rune => rune.Value == '\t' ? "\t" : "\uFFFD")
            .Replace(secret, "[…]", StringComparison.OrdinalIgnoreCase);
}
