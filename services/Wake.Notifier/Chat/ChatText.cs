using System.Text;
using Wake.Contracts;
using Wake.ServiceDefaults;

namespace Wake.Notifier;

/// <summary>
/// A text for a chat, in which is marked what sessions and strangers have written: each kind shows that as text, so
/// that it mentions nobody and formats nothing.
/// </summary>
sealed class ChatText
{
    readonly List<ChatRun> runs = [];

    public IReadOnlyList<ChatRun> Runs => runs;

    public int Length => runs.Sum(x => x.Text.Length);

    /// <summary>Adds words of Wake's own.</summary>
    public ChatText Add(string text)
    {
        Append(text, isForeign: false);
        return this;
    }

    /// <summary>Adds a moment, which a chat may show by the clock of each reader as well.</summary>
    public ChatText AddMoment(DateTimeOffset at)
    {
        Append(new(Moment(at), IsForeign: false) { At = at });
        return this;
    }

    /// <summary>Adds the head of what somebody else has written, without secrets.</summary>
    public ChatText AddForeign(string text, int limit)
    {
        var safe = Visible(Redaction.Redact(text));
        Append(StorableText.Head(safe, limit), isForeign: true);
        if (safe.Length > limit)
            Append(" …", isForeign: false);
        return this;
    }

    /// <summary>Adds what somebody else has written as it is: whoever reads it decides about it.</summary>
    public ChatText AddWhole(string text)
    {
        Append(Visible(text), isForeign: true);
        return this;
    }

    public ChatText Add(ChatText other)
    {
        foreach (var run in other.runs)
            Append(run);
        return this;
    }

    /// <summary>The same in pieces of no more than this many UTF-16 units, at the ends of lines where there are
    /// any.</summary>
    public IReadOnlyList<ChatText> Split(int limit)
    {
        List<ChatText> pieces = [new()];
        foreach (var run in runs)
        {
            var rest = run.Text;
            while (rest.Length > 0)
            {
                var room = limit - pieces[^1].Length;
                if (rest.Length <= room)
                {
                    pieces[^1].Append(run with { Text = rest });
                    break;
                }

                var head = StorableText.Head(rest, room);
                var line = head.LastIndexOf('\n') + 1;
                head =
                    line > 0 ? head[..line]
                    : pieces[^1].Length > 0 && room < limit / 2 ? ""
                    : head;
                pieces[^1].Append(head, run.IsForeign);
                rest = rest[head.Length..];
                pieces.Add(new());
            }
        }

        // No chat takes what has nothing to see.
        foreach (var blank in pieces.Where(x => string.IsNullOrWhiteSpace($"{x}")))
            blank.Add("(blank)");
        return pieces;
    }

    public static string Moment(DateTimeOffset at) => $"{at.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC";

    public override string ToString() => string.Concat(runs.Select(x => x.Text));

    void Append(string text, bool isForeign) => Append(new(text, isForeign));

    void Append(ChatRun run)
    {
        if (run.Text.Length == 0)
            return;

        if (runs is [.., var last] && last.IsForeign == run.IsForeign && (last.At ?? run.At) is null)
            runs[^1] = last with { Text = last.Text + run.Text };
        else
            runs.Add(run);
    }

    static string Visible(string text) =>
        VisibleText.ReplaceInvisible(
            StorableText.Sanitize(text),
            x => x == new Rune('\n') ? "\n" : VisibleText.EscapeSequence(x)
        );
}

/// <summary>A piece of a text.</summary>
/// <param name="Text">The piece.</param>
/// <param name="IsForeign">Sessions or strangers have written it.</param>
readonly record struct ChatRun(string Text, bool IsForeign)
{
    /// <summary>The moment that it names; null when it is any other text.</summary>
    public DateTimeOffset? At { get; init; }
}
