using System.Text.Json;
using System.Text.Json.Nodes;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// What the CLI is told when it asks whether it may call a tool. It asks only for what its own rules do not settle:
/// what it would allow or deny by itself never comes here.
/// </summary>
/// <param name="Policy">What the profile says.</param>
/// <param name="Settled">What was asked before in this turn.</param>
sealed record Permissions(PermissionPolicy Policy, IReadOnlyList<SettledQuestion> Settled)
{
    /// <summary>Said to a call that stands beside others: the CLI loses the answer, or the others, when such a one is
    /// deferred.</summary>
    public const string AskAgain =
        "Not asked yet. Ask again in a message of its own, with all your questions in this one call and no other "
        + "tool call beside it.";

    const string CallAgain =
        "A person has to allow this, and has not been asked yet. Make the same call again in a message of its own, "
        + "with no other tool call beside it.";

    const string NotFromHere =
        "A person has to allow this, and only the main conversation can ask one. Say what you would call and why, so "
        + "that it makes this call itself.";

    const string CutOff =
        "A person has allowed this, and the call was made; then the process that made it was stopped before the "
        + "result was known. "
        + "Look whether it took effect. If it did not, make the call again: the person will be asked again.";

    const string NotShown =
        "This call is longer than a person can be shown, or cannot be shown as it is, so nobody can allow it. It was "
        + "not made. "
        + "Do it in smaller steps: write what is long into a file first, or make several shorter calls.";

    const string NotTheAllowed =
        "The call was not made: what a person has allowed is not exactly this call. Make the call again in a message "
        + "of its own, with no other tool call beside it: the person will be asked again, and shown all of it.";

    const string Withdrawn =
        "A person had allowed this for the session, and has just withdrawn it. The call was not made. Make it again in "
        + "a message of its own, with no other tool call beside it: the person will be asked.";

    const string NobodyAnswered =
        "Nobody has allowed this: a person was asked, and the time for an answer is over. The call was not made.";

    /// <summary>
    /// Told of a call that a person has allowed, by its id, before the CLI is. False: the turn is another runner's by
    /// now, and the call is not to be made.
    /// </summary>
    public Func<string, Task<bool>> RecordCallStart { get; init; } = _ => Task.FromResult(true);

    /// <summary>The calls that a person has allowed for as long as the session lasts.</summary>
    public IReadOnlyList<AllowedCall> ForSession { get; init; } = [];

    /// <summary>
    /// Told of a call that is allowed for the session, by its question and its id, before the CLI is. False: that was
    /// withdrawn meanwhile, or the turn is another runner's.
    /// </summary>
    public Func<Guid, string, Task<bool>> RecordPermittedCall { get; init; } = (_, _) => Task.FromResult(true);

    /// <summary>Whether the call that is asked about will be made because a person has allowed it.</summary>
    /// <param name="request">What the CLI asks.</param>
    /// <param name="environment">The CLI's, whose secrets no person was shown.</param>
    public bool IsAllowed(ControlRequest request, IReadOnlyDictionary<string, string> environment) =>
        FindSettled(request) is { } settled
            ? !settled.CallStarted
                && Decision(settled) is { Allow: true } given
                && MatchesShownCall(given, request, environment)
            : FindForSession(request, environment) is not null;

    /// <summary>Writes down that an allowed call is made, and returns the line to answer with; null when the turn is
    /// another runner's.</summary>
    public async Task<byte[]?> StartCall(ControlRequest request, IReadOnlyDictionary<string, string> environment)
    {
        if (FindSettled(request) is not null)
            return await RecordCallStart(request.ToolUseId!) ? Allow(request) : null;

        return
            FindForSession(request, environment) is { Question: var question }
            && await RecordPermittedCall(question, request.ToolUseId!)
            ? Allow(request)
            : Deny(request, Withdrawn);
    }

    /// <summary>The line to answer with; null when a person has to decide first, and the call is to be put
    /// off.</summary>
    /// <param name="request">What the CLI asks.</param>
    /// <param name="callsBeside">How many other calls the same message makes.</param>
    /// <param name="environment">The CLI's, whose secrets no person is shown.</param>
    public byte[]? Reply(ControlRequest request, int callsBeside, IReadOnlyDictionary<string, string> environment)
    {
        if (request is not { Subtype: ClaudeProtocol.Subtype.CanUseTool })
            return ClaudeProtocol.UnsupportedLine(request);

        // A question comes here only when its hook could not put it off.
        if (request.Tool == ClaudeProtocol.QuestionTool)
        {
            return Deny(
                request,
                callsBeside > 0
                    ? AskAgain
                    : "Nobody can be asked now. Go on without an answer, or end your turn and say what you need to "
                        + "know."
            );
        }

        if (FindSettled(request) is { } settled)
        {
            return Decision(settled) switch
            {
                { Allow: true } when settled.CallStarted => Deny(request, CutOff),
                { Allow: true } given => MatchesShownCall(given, request, environment)
                    ? Allow(request)
                    : Deny(request, NotTheAllowed),
                { Message: var message } => Deny(
                    request,
                    message is null ? "A person has not allowed this." : $"A person has not allowed this: {message}"
                ),
                null => Deny(request, NobodyAnswered),
            };
        }

        if (Policy is not PermissionPolicy.Ask)
            return Deny(
                request,
                $"Claude requested permissions to use {request.Tool}, but you haven't granted it yet."
            );

        return FindForSession(request, environment) is not null ? Allow(request)
            : request.SubagentId is not null ? Deny(request, NotFromHere)
            : callsBeside > 0 || request is not { Tool: not null, ToolUseId: not null, Input: not null }
                ? Deny(request, CallAgain)
            : ShownCall.From(request, environment) is null ? Deny(request, NotShown)
            : null;
    }

    SettledQuestion? FindSettled(ControlRequest request) =>
        request.Subtype != ClaudeProtocol.Subtype.CanUseTool
            ? null
            : Settled.FirstOrDefault(x => x.Tool != ClaudeProtocol.QuestionTool && x.ToolUseId == request.ToolUseId);

    AllowedCall? FindForSession(ControlRequest request, IReadOnlyDictionary<string, string> environment) =>
        Policy is PermissionPolicy.Ask
        && ForSession is not []
        && request is { Subtype: ClaudeProtocol.Subtype.CanUseTool, Tool: { } tool, ToolUseId: not null }
        && tool != ClaudeProtocol.QuestionTool
        && ShownCall.From(request, environment) is { HidesSomething: false } call
            ? ForSession.FirstOrDefault(x => x.Tool == tool && ShownCall.IsSameCall(tool, x.Call, call.Text))
            : null;

    // Without a hash it was allowed by a gateway that did not show the whole.
    static bool MatchesShownCall(
        PermissionAnswer given,
        ControlRequest request,
        IReadOnlyDictionary<string, string> environment
    ) => given.Shown is { } hash && hash == ShownCall.From(request, environment)?.Hash;

    static PermissionAnswer? Decision(SettledQuestion settled) =>
        settled.Answers is { } answers
            ? JsonSerializer.Deserialize<PermissionAnswer>(answers, JsonSerializerOptions.Web)
            : null;

    static byte[] Deny(ControlRequest request, string message) =>
        ClaudeProtocol.ResponseLine(request, new JsonObject { ["behavior"] = "deny", ["message"] = message });

    static byte[] Allow(ControlRequest request) =>
        ClaudeProtocol.ResponseLine(
            request,
            new JsonObject { ["behavior"] = "allow", ["updatedInput"] = JsonNode.Parse(request.Input ?? "{}") }
        );
}
