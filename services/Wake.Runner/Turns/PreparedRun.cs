using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// What a run of the CLI needs, as <see cref="RunPreparation"/> puts it together and <see cref="RunExecution"/> uses
/// it. Disposing it ends what nobody has taken over.
/// </summary>
sealed class PreparedRun(ClaimedTurn turn, ClaudeSession session, bool resume) : IAsyncDisposable
{
    public ClaimedTurn Turn => turn;

    public ClaudeSession Session => session;

    /// <summary>Go on with the Claude session, or begin it.</summary>
    public bool Resume => resume;

    /// <summary>The process that an earlier turn of the session left, if there is one.</summary>
    public WarmSession? Warm { get; set; }

    /// <summary>Whether the message goes to that process.</summary>
    public bool ReusesWarm { get; set; }

    public TranscriptSync Transcript { get; set; } = null!;

    /// <summary>What lets the run ask a person.</summary>
    public QuestionHook? Questions { get; set; }

    public ClaudeCommand Command { get; set; } = null!;

    /// <summary>How long its process may stay afterwards.</summary>
    public TimeSpan WarmTime { get; set; }

    /// <summary>What of the workspace's own set-up the run goes without, for people; null when that is
    /// nothing.</summary>
    public string? IgnoredSetup { get; set; }

    public async ValueTask DisposeAsync()
    {
        // Whichever of them throws, the others end too.
        await using var warm = Warm;
        await using var transcript = Transcript;
        Questions?.Dispose();
    }
}
