using System.Globalization;
using System.Text.Json.Nodes;

namespace Wake.FakeClaude;

/// <summary>What a turn can do; a verb that returns an ending is the last of its turn.</summary>
static class TurnVerbs
{
    /// <summary>Before the init line.</summary>
    public static readonly Dictionary<string, Action<Turn, string>> BeforeInit = new()
    {
        ["exit-before-init"] = (_, code) => Posix.Exit(ProcessVerbs.Number(code)),
        ["wrong-init-id"] = (turn, id) => turn.Session.Frames.SessionId = id,
        ["foreign-turn-first"] = (turn, _) => ForeignTurn.Play(turn.Session),
    };

    /// <summary>After it, in the order they are written.</summary>
    public static readonly Dictionary<string, Func<Turn, string, Ending?>> InTurn = new()
    {
        ["say"] = Silent((turn, text) => turn.Writer.WriteText(text)),
        ["long-line"] = Silent((turn, bytes) => turn.Writer.WriteText(new string('x', ProcessVerbs.Number(bytes)))),
        ["cost"] = Silent((turn, usd) => turn.CostUsd = double.Parse(usd, CultureInfo.InvariantCulture)),
        ["tool"] = Silent(Tool),
        ["tool-start"] = Silent(ToolStart),
        ["hang-mid"] = Silent(HangMid),
        ["ask"] = (turn, question) => turn.Questions.Ask(Questions.Parse(question)),
        ["needs-permission"] = (turn, path) => turn.Questions.Request(path),
        ["defer"] = (turn, _) => turn.Questions.Defer(),

        ["api-retry"] = Silent((turn, code) => Retry(turn, code)),
        ["api-error"] = (turn, code) => new Ending.ApiFailed(Retry(turn, code)),
        ["auth-error"] = (turn, retries) => new Ending.ApiFailed(Retry(turn, "401 " + retries)),
        ["image-error"] = (_, _) => new Ending.ApiFailed(ApiFailure.Of("413")),
        ["not-logged-in"] = (_, _) => new Ending.ApiFailed(ApiFailure.NotLoggedIn),
        ["credit-low"] = (_, _) => new Ending.ApiFailed(ApiFailure.CreditTooLow),
        ["prompt-too-long"] = (_, _) => new Ending.ApiFailed(ApiFailure.PromptTooLong),
        ["usage-limit"] = UsageLimit,
        ["refusal"] = Refuse,
        ["max-turns"] = MaxTurns,
        ["max-budget"] = MaxBudget,
        ["permission-denied"] = Silent(PermissionDenied),

        ["two-results"] = Silent(TwoResults),
        ["foreign-turn-after"] = Silent((turn, file) => ForeignTurn.FollowWhen(turn.Session, file)),
        ["foreign-turn"] = Silent((turn, _) => turn.Afterwards.Add(() => ForeignTurn.Follow(turn.Session))),
        ["result-then-output"] = Silent((turn, _) => turn.Afterwards.Add(() => AddAfterthought(turn.Session))),
        ["result-then-linger"] = Silent((turn, seconds) => turn.Session.Cli.Linger = Cli.Seconds(seconds)),
        ["no-newline-at-end"] = Silent((turn, _) => turn.EndsWithoutNewline = true),
    };

    /// <summary>The verbs that make one tool call: once in the history, they are not made again.</summary>
    public static readonly HashSet<string> Tools =
    [
        "tool",
        "tool-start",
        "hang-mid",
        "ask",
        "needs-permission",
        "defer",
        "max-turns",
        "max-budget",
        "permission-denied",
    ];

    static Func<Turn, string, Ending?> Silent(Action<Turn, string> act) =>
        (turn, argument) =>
        {
            act(turn, argument);
            return null;
        };

    static void Tool(Turn turn, string path)
    {
        ToolStart(turn, path);
        turn.Writer.EndTool(TurnWriter.NoOutput);
    }

    // The call stays open for the verbs that follow, until the turn says something or makes the next call.
    static void ToolStart(Turn turn, string path)
    {
        turn.Writer.StartTool("Bash", new() { ["command"] = $"echo tool >> {path}" });
        if (path != "")
            turn.Session.Cli.Config.Append(path, "tool");
    }

    static void HangMid(Turn turn, string argument)
    {
        turn.Writer.StartTool("Bash", new() { ["command"] = "sleep infinity" });
        ProcessVerbs.Hang(turn.Session.Cli);
    }

    // "529 3": three lines, without the waiting between them.
    static ApiFailure Retry(Turn turn, string argument)
    {
        var (code, retries) = argument.Split(' ') is [var x, var y] ? (x, ProcessVerbs.Number(y)) : (argument, 0);
        var failure = ApiFailure.Of(code);

        for (var attempt = 1; attempt <= retries; attempt++)
            turn.Session.Emit(turn.Session.Frames.Retry(failure, attempt, retries));

        return failure;
    }

    static Ending.ApiFailed UsageLimit(Turn turn, string resetsAt)
    {
        turn.Session.Emit(turn.Session.Frames.RateLimit(long.Parse(resetsAt, CultureInfo.InvariantCulture)));
        return new Ending.ApiFailed(ApiFailure.UsageLimit);
    }

    static Ending.ApiFailed Refuse(Turn turn, string argument)
    {
        turn.Writer.WriteText("I would rather not.");
        turn.Session.Emit(turn.Session.Frames.System("model_refusal_no_fallback", new() { ["content"] = "" }));
        return new Ending.ApiFailed(ApiFailure.Refusal);
    }

    static Ending.TurnsUsedUp MaxTurns(Turn turn, string argument)
    {
        turn.Writer.StartTool("Bash", new() { ["command"] = "true" });
        turn.Writer.EndTool(TurnWriter.NoOutput);
        turn.Session.Transcript.Attachment(new() { ["type"] = "max_turns_reached" });
        return new Ending.TurnsUsedUp(turn.Session.Cli.Arguments.MaxTurns);
    }

    // The call stays without a result, so the same message runs again when it is resent.
    static Ending.BudgetUsedUp MaxBudget(Turn turn, string argument)
    {
        turn.Writer.StartTool("Bash", new() { ["command"] = "true" });
        return new Ending.BudgetUsedUp(turn.Session.Cli.Arguments.MaxBudgetUsd);
    }

    static void PermissionDenied(Turn turn, string argument)
    {
        const string denied = "Permission for this tool use was denied. The action was NOT performed.";
        var call = turn.Writer.StartTool("Bash", new() { ["command"] = "true" });

        turn.Session.Emit(
            turn.Session.Frames.System(
                "permission_denied",
                new()
                {
                    ["tool_name"] = call.Text("name"),
                    ["tool_use_id"] = call.Text("id"),
                    ["message"] = denied,
                }
            )
        );
        turn.Writer.EndTool(denied, isError: true);
        turn.Deny(call);
    }

    static void TwoResults(Turn turn, string where)
    {
        void Extra() =>
            turn.Session.EmitResult(
                new(new Ending.Completed("Somebody else's answer."), Requests: 1) { Origin = ForeignTurn.Origin() }
            );

        if (where == "before")
            turn.BeforeResult.Add(Extra);
        else
            turn.Afterwards.Add(Extra);
    }

    static void AddAfterthought(Session session)
    {
        session.Emit(session.Frames.System("status", new() { ["status"] = null }));
        session.Emit(
            session.Frames.Assistant(
                new()
                {
                    ["role"] = "assistant",
                    ["content"] = new JsonArray(new JsonObject { ["type"] = "text", ["text"] = "An afterthought." }),
                },
                Guid.NewGuid().ToString()
            )
        );
    }
}
