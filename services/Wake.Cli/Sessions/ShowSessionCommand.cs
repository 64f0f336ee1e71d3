using System.CommandLine;
using System.Globalization;
using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary><c>wake sessions show</c>: one session.</summary>
sealed class ShowSessionCommand : ClientCommand
{
    readonly Argument<string> key = new("KEY") { Description = "The session's key." };

    public ShowSessionCommand()
        : base(
            "show",
            "Shows one session.",
            """
            Example:
              wake sessions show implementer
            """
        ) => Accepts(key);

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var answer = (await wake.Get(SessionsCommand.ApiPath(given.GetRequiredValue(key)), cancel)).EnsureSuccess();
        if (output.Json)
            output.Raw(answer.Body);
        else
            output.Table([], Facts(answer.ReadAs(CliJson.Default.Session)));
        return 0;
    }

    /// <summary>What there is to say about a session, each with its name.</summary>
    public static IEnumerable<string?[]> Facts(Session session)
    {
        yield return ["session", session.Key];
        yield return ["state", SessionsCommand.DescribeState(session)];
        if (session.WaitsFor is { } question)
            yield return ["question", $"{question}"];
        yield return ["workspace", session.Workspace];
        yield return ["profile", session.Profile];
        yield return ["inbox", $"{session.Inbox}"];
        yield return ["cost", $"{Usd(session.CostUsd)}, today {Usd(session.CostTodayUsd)}"];
        yield return ["created", TimeFormat.Format(session.Created)];
        if (session.Closed is { } closed)
            yield return ["closed", TimeFormat.Format(closed)];
        if (session.ClaudeSessionId is { } id)
            yield return ["Claude session", $"{id}"];
        if (session.LastTurn is { } turn)
            yield return ["last turn", DescribeTurn(turn)];
    }

    /// <summary>An amount of money, as small as a turn may cost.</summary>
    public static string Usd(decimal amount) => string.Create(CultureInfo.InvariantCulture, $"${amount:0.####}");

    /// <summary>A turn in a line.</summary>
    public static string DescribeTurn(Turn turn)
    {
        var end = turn.Outcome is { } outcome
            ? $"{Output.EnumWord(outcome)}, {turn.DurationMs / 1000.0:0.0} s, {Usd(turn.CostUsd)}{Tokens(turn.Tokens)}"
            : Output.EnumWord(turn.State);
        var note = turn.Note is { } text ? $" ({text})" : "";
        return $"{turn.Number} {end}{note}{(turn.Reasons is [] ? "" : $": {string.Join(" | ", turn.Reasons)}")}";
    }

    static string Tokens(TokenUsage tokens) =>
        tokens == default
            ? ""
            : string.Create(
                CultureInfo.InvariantCulture,
                $", {tokens.Input + tokens.CacheRead + tokens.CacheCreation:N0} tokens in ({tokens.CacheRead:N0} "
                    + $"cached), {tokens.Output:N0} out"
            );
}
