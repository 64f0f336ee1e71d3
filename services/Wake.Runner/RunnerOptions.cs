using System.ComponentModel.DataAnnotations;
using Wake.Contracts;

namespace Wake.Runner;

/// <summary>How a runner takes work. Environment: <c>Runner__…</c>.</summary>
sealed class RunnerOptions : IValidatableObject
{
    public const string Section = "Runner";

    /// <summary>
    /// What this runner is called in the ledger and in logs. Where another one on the same database has the name, this
    /// one gets a number after it.
    /// </summary>
    [Required]
    public string Name { get; init; } = $"{Environment.MachineName}-{Environment.ProcessId}";

    /// <summary>The pool it belongs to. It runs the sessions of profiles with this pool (<c>Profiles__NAME__Pool</c>)
    /// and no others.</summary>
    public string Pool { get; init; } = RunnerQueues.DefaultPool;

    /// <summary>Turns at the same time. Each is a process of the CLI of about 200 MB, plus what its tools
    /// take.</summary>
    [Range(1, 1000)]
    public int Slots { get; init; } = 4;

    /// <summary>
    /// Further turns at the same time, for wakes that a person waits for: a wake by hand, an answer. They never queue
    /// behind what programs set off.
    /// </summary>
    [Range(0, 1000)]
    public int UrgentSlots { get; init; } = 1;

    /// <summary>
    /// After its start a runner begins its first turns this far apart, as many as it has slots: a whole fleet that
    /// starts again does not ask the API for everything at once.
    /// </summary>
    public TimeSpan StaggerStart { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>
    /// Processes that stay after their turn at most, beside the running ones, because the next turn of their session
    /// then begins at once. Zero: every process ends with its turn.
    /// </summary>
    [Range(0, 1000)]
    public int WarmSessions { get; init; } = 4;

    /// <summary>The memory they may hold together, in megabytes. An idle process of the CLI holds 130 to 200.</summary>
    [Range(1, 1_000_000)]
    public int WarmMemoryMegabytes { get; init; } = 1024;

    /// <summary>How long a process stays without a message. The model's API remembers a conversation for five
    /// minutes.</summary>
    public TimeSpan WarmFor { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// How long a turn stays this runner's without a word from it. Renewed three times within; what is longer makes a
    /// crash cost more time, what is shorter makes a busy machine lose turns.
    /// </summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How often a turn that crashes, hangs or meets a failing API is tried before it is parked.</summary>
    [Range(1, 1000)]
    public int MaxAttempts { get; init; } = 5;

    /// <summary>The pause before the second attempt; it doubles with each further one.</summary>
    public TimeSpan Backoff { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The longest pause between two attempts.</summary>
    public TimeSpan MaxBackoff { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// How long this runner takes no work after it found that it can run no session at all, before it tries again. What
    /// is mended meanwhile is noticed after this long.
    /// </summary>
    public TimeSpan PauseRetryAfter { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long the store keeps transcripts of closed sessions, of Claude sessions that have a successor, and copies
    /// that were replaced. What a session goes on from is kept for as long as it is open.
    /// </summary>
    public TimeSpan TranscriptRetention { get; init; } = TimeSpan.FromDays(30);

    /// <summary>Where mirrors of repositories are kept, and notes of the workspaces made from them. Can be deleted at
    /// any time.</summary>
    [Required]
    public string Cache { get; init; } =
        Path.Combine(
            Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } named
                ? named
                : Path.Combine(
                    Environment.GetFolderPath(
                        Environment.SpecialFolder.UserProfile,
                        Environment.SpecialFolderOption.DoNotVerify
                    ),
                    ".cache"
                ),
            "wake"
        );

    /// <summary>
    /// The user that <c>claude</c> runs as, with its tools, hooks and MCP servers: it can then read nothing of the
    /// runner's. Needs a runner that is root. Null or empty: the runner's own user.
    /// </summary>
    public string? RunAs
    {
        get;
        init => field = value is "" ? null : value;
    }

    /// <summary>How long a workspace that was made from a repository is kept after its session was closed.</summary>
    public TimeSpan WorkspaceRetention { get; init; } = TimeSpan.FromDays(7);

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (!RunnerQueues.IsValidRunner(Name))
            yield return new("Name must be letters, digits and _ - . : only, a hundred at most.", [nameof(Name)]);

        if (!RunnerQueues.IsValidPool(Pool))
            yield return new("Pool must be lower-case letters, digits and hyphens, forty at most.", [nameof(Pool)]);

        if (RunAs is not null && (RunAs.Length > 64 || RunAs.AsSpan().ContainsAny(": \n/")))
            yield return new("RunAs must be the name of a user.", [nameof(RunAs)]);

        if (StaggerStart < TimeSpan.Zero)
            yield return new("StaggerStart must not be negative.", [nameof(StaggerStart)]);

        if (Lease < TimeSpan.FromSeconds(1))
            yield return new("Lease must be at least a second.", [nameof(Lease)]);

        if (WarmFor < TimeSpan.Zero)
            yield return new("WarmFor must not be negative.", [nameof(WarmFor)]);

        if (TranscriptRetention < TimeSpan.Zero || WorkspaceRetention < TimeSpan.Zero)
            yield return new(
                "TranscriptRetention and WorkspaceRetention must not be negative.",
                [nameof(TranscriptRetention), nameof(WorkspaceRetention)]
            );

        if (PauseRetryAfter <= TimeSpan.Zero || PauseRetryAfter > TimeSpan.FromDays(1))
            yield return new("PauseRetryAfter must be positive and at most a day.", [nameof(PauseRetryAfter)]);

        if (Backoff < TimeSpan.Zero || MaxBackoff < Backoff)
            yield return new(
                "Backoff must not be negative, nor longer than MaxBackoff.",
                [nameof(Backoff), nameof(MaxBackoff)]
            );
    }

    /// <summary>The pause after a given attempt.</summary>
    public TimeSpan BackoffAfter(int attempt) =>
        TimeSpan.FromTicks((long)Math.Min(MaxBackoff.Ticks, Backoff.Ticks * Math.Pow(2, attempt - 1)));
}
