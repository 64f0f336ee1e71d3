namespace Wake.Offline;

/// <summary>What the markers make of one request: how long to wait, how to fail, what to say.</summary>
sealed record ScriptedReply
{
    public TimeSpan Delay { get; private init; }

    /// <summary>The name under which the reply waits for its release, or null.</summary>
    public string? Hold { get; private init; }

    public ScriptedFailure? Failure { get; private init; }

    /// <summary>How many attempts end without a response.</summary>
    public int Drops { get; private init; }

    /// <summary>How many attempts end in the middle of the stream.</summary>
    public int Truncations { get; private init; }

    /// <summary>Silence after the stream has begun.</summary>
    public TimeSpan Silence { get; private init; }

    /// <summary>Nothing but pings after the stream has begun.</summary>
    public TimeSpan Pings { get; private init; }

    /// <summary>The type of an error event in the middle of the stream, or null.</summary>
    public string? StreamError { get; private init; }

    public int InputTokens { get; private init; } = 10;

    public int OutputTokens { get; private init; } = 12;

    /// <summary>The stop reason to report, or null for the one that fits the blocks.</summary>
    public string? StopReason { get; private init; }

    /// <summary>The content of the assistant message; never empty.</summary>
    public required IReadOnlyList<ReplyBlock> Blocks { get; init; }

    /// <summary>The reply that one step's markers ask for.</summary>
    /// <exception cref="FormatException">A marker's argument cannot be read.</exception>
    public static ScriptedReply From(IReadOnlyList<Marker> step)
    {
        var blocks = step.Where(x => x.IsAction).Select(ReplyBlock.From).ToList();

        return step.Where(x => !x.IsAction)
            .Aggregate(
                new ScriptedReply
                {
                    Blocks = blocks is [] ? [new ReplyBlock.Text(null)] : blocks,
                    Failure = ScriptedFailure.From(step),
                },
                Apply
            );
    }

    /// <summary>A reply of these words, whatever the markers say.</summary>
    public static ScriptedReply Saying(string words) => new() { Blocks = [new ReplyBlock.Text(words)] };

    /// <summary>The stand-in's own answer to a request it cannot serve.</summary>
    public static ScriptedReply Refusing(int status, string message) =>
        new() { Blocks = [], Failure = ScriptedFailure.Because(status, message) };

    static ScriptedReply Apply(ScriptedReply reply, Marker modifier) =>
        modifier.Name switch
        {
            "delay" => reply with { Delay = modifier.Seconds() },
            "hold" => reply with { Hold = modifier.Argument },
            "drop" => reply with { Drops = modifier.Attempts(modifier.Argument) },
            "truncate" => reply with { Truncations = modifier.Attempts(modifier.Argument) },
            "ttfb" => reply with { Silence = modifier.Seconds() },
            "ping" => reply with { Pings = modifier.Seconds() },
            "sseerror" => reply with { StreamError = modifier.Argument },
            "stop" => reply with { StopReason = modifier.Argument },
            "usage" when modifier.Argument.Split(':') is [var input, var output] => reply with
            {
                InputTokens = modifier.Number(input),
                OutputTokens = modifier.Number(output),
            },
            "usage" => throw modifier.Unreadable(),

            // The rest belong to the failure.
            _ => reply,
        };
}
