using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// The ways a run of the CLI can end, as a closed set. Decided by <see cref="ClaudeOutput.Conclude"/> from fields, not
/// from texts, which change with every release. What follows from each is <see cref="Reaction.For"/>'s;
/// docs/concepts.md has both as a table.
/// </summary>
abstract record ClaudeResult
{
    /// <summary>The session took its turn.</summary>
    /// <param name="DeniedCalls">Tool calls that its permissions did not allow; no failure.</param>
    /// <param name="AlreadyProcessed">It had taken it in an earlier run, and the CLI recognised the message.</param>
    public sealed record Completed(int DeniedCalls, bool AlreadyProcessed = false) : ClaudeResult;

    /// <summary>A limit of the profile ended the turn.</summary>
    public sealed record LimitReached(string Limit) : ClaudeResult;

    /// <summary>The model, or a hook of the owner, would not go on.</summary>
    public sealed record Refused(string Why) : ClaudeResult;

    /// <summary>The turn waits inside a tool call for a person's answer; the call is safe in the transcript.</summary>
    /// <param name="Tool">The tool.</param>
    /// <param name="Question">The call, if it is one that a person can answer through Wake.</param>
    /// <param name="HasSiblingCalls">Whether the same message made other calls. Then the CLI may lose the answer
    /// (2.1.197), or the other question.</param>
    public sealed record Deferred(string Tool, ToolCallQuestion? Question = null, bool HasSiblingCalls = false)
        : ClaudeResult;

    /// <summary>This session cannot be gone on with.</summary>
    /// <param name="Why">Why it was not even tried; null when the CLI gave its exact signal that it has no such
    /// session.</param>
    public sealed record SessionLost(ResumeUnavailable? Why = null) : ClaudeResult;

    /// <summary>The session was to be begun and has a transcript already: it is to be resumed.</summary>
    public sealed record AlreadyBegun : ClaudeResult;

    /// <summary>The session has grown beyond what the API takes; whatever it is told next will be refused as
    /// well.</summary>
    public sealed record Poisoned(string What) : ClaudeResult;

    /// <summary>The API failed in a way that passes.</summary>
    /// <param name="Status">The HTTP status; null when there was no answer, or an older release does not say.</param>
    /// <param name="GaveUpAtOnce">The CLI did not try again by itself, as it does when the API asks for a longer pause
    /// than it waits.</param>
    public sealed record ApiUnavailable(int? Status, bool GaveUpAtOnce = false) : ClaudeResult;

    /// <summary>The API refuses the request, and the same again would be refused again. It may be the session's content
    /// or the set-up.</summary>
    public sealed record ApiRefuses(string What) : ClaudeResult;

    /// <summary>A usage limit of the account holds until a known moment.</summary>
    public sealed record UsageLimited(DateTimeOffset Until) : ClaudeResult;

    /// <summary>The account must be seen to: not allowed, no credit, a key that is no longer valid.</summary>
    public sealed record AccountProblem(string What) : ClaudeResult;

    /// <summary>The CLI cannot be run for this session: a wrong option, an unknown model, a missing
    /// directory.</summary>
    public sealed record Misconfigured(string What) : ClaudeResult;

    /// <summary>The CLI cannot be run on this machine for any session: it does not start, or nobody is logged
    /// in.</summary>
    public sealed record CannotRun(string What) : ClaudeResult;

    /// <summary>
    /// What the session needs on this machine's disk is not to be had there now: no room, no permission, another thing
    /// in its place, no connection to the repository its workspace is made from.
    /// </summary>
    public sealed record FilesFail(string What) : ClaudeResult;

    /// <summary>Stopped on purpose, by the runner.</summary>
    public sealed record Interrupted : ClaudeResult;

    /// <summary>It said nothing for too long, or took too long altogether, and was stopped.</summary>
    public sealed record Hung(string What) : ClaudeResult;

    /// <summary>It ended without a result, or somebody else stopped it.</summary>
    public sealed record Crashed(string How) : ClaudeResult;
}

/// <summary>Why the runner stopped a run that had not ended.</summary>
enum StopReason
{
    /// <summary>It did not.</summary>
    None,

    /// <summary>The runner shuts down.</summary>
    Shutdown,

    /// <summary>Nothing was heard for too long.</summary>
    Idle,

    /// <summary>The turn took too long.</summary>
    Timeout,
}
