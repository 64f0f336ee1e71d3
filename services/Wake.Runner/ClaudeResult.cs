using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// The ways a run of the CLI can end, as a closed set. Decided by <see cref="ClaudeOutput.Conclude"/> from fields, not from
/// texts, which change with every release.
/// </summary>
abstract record ClaudeResult
{
    /// <summary>The session took its turn.</summary>
    /// <param name="Denied">Tool calls that its permissions did not allow; no failure.</param>
    /// <param name="Already">It had taken it in an earlier run, and the CLI recognised the message.</param>
    public sealed record Completed(int Denied, bool Already = false) : ClaudeResult;

    /// <summary>A limit of the profile ended the turn.</summary>
    public sealed record LimitReached(string Limit) : ClaudeResult;

    /// <summary>The model, or a hook of the owner, would not go on.</summary>
    public sealed record Refused(string Why) : ClaudeResult;

    /// <summary>This session cannot be gone on with. Nothing else permits a fresh one.</summary>
    /// <param name="Why">Why it was not even tried; null when the CLI gave its exact signal that it has no such session.</param>
    public sealed record SessionLost(ResumeUnavailable? Why = null) : ClaudeResult;

    /// <summary>The session was to be begun and has a transcript already: it is to be resumed.</summary>
    public sealed record AlreadyBegun : ClaudeResult;

    /// <summary>The API failed in a way that passes.</summary>
    /// <param name="Status">The HTTP status; null when there was no answer.</param>
    public sealed record ApiUnavailable(int? Status) : ClaudeResult;

    /// <summary>A usage limit holds until a known moment.</summary>
    public sealed record UsageLimited(DateTimeOffset Until) : ClaudeResult;

    /// <summary>The account must be seen to: not logged in, not allowed, no credit.</summary>
    public sealed record AccountProblem(string What) : ClaudeResult;

    /// <summary>The session's content is what the API refuses; the same again will be refused again.</summary>
    public sealed record Poisoned(string What) : ClaudeResult;

    /// <summary>The CLI cannot be run this way: a wrong option, an unknown model, a missing directory.</summary>
    public sealed record Misconfigured(string What) : ClaudeResult;

    /// <summary>Stopped on purpose; the transcript says so, and the message will not be acted on again under the same id.</summary>
    public sealed record Interrupted : ClaudeResult;

    /// <summary>It said nothing for too long, or took too long altogether, and was stopped.</summary>
    /// <param name="What">Which of the two.</param>
    /// <param name="Acknowledged">Whether it still answered the interrupt; see <see cref="Interrupted"/>.</param>
    public sealed record Hung(string What, bool Acknowledged) : ClaudeResult;

    /// <summary>It ended without a result.</summary>
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
