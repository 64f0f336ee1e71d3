using Wake.Store;

namespace Wake.Runner;

/// <summary>What one run of the CLI came to.</summary>
/// <param name="Result">How it ended.</param>
/// <param name="Acknowledged">Whether the CLI answered the message, well or badly, and so will not act on it
/// again.</param>
/// <param name="HasSideEffects">Whether the model called a tool.</param>
/// <param name="Cost">What it cost.</param>
sealed record ClaudeRun(ClaudeResult Result, bool Acknowledged, bool HasSideEffects, TurnCost Cost)
{
    /// <summary>One that never came to running the CLI.</summary>
    public static ClaudeRun NotStarted(ClaudeResult why) =>
        new(why, Acknowledged: false, HasSideEffects: false, default);

    /// <summary>The process, if it is there for the next message; it is the caller's.</summary>
    public ClaudeProcess? WarmProcess { get; init; }

    /// <inheritdoc cref="ClaudeOutput.McpServers" />
    public IReadOnlyDictionary<string, bool>? McpServers { get; init; }

    /// <inheritdoc cref="ClaudeOutput.LastWords" />
    public string? LastWords { get; init; }

    /// <summary>What else people should know of the run; null when there is nothing.</summary>
    public string? Remarks { get; init; }

    /// <summary>Why the store lacks a part of the transcript, which is on this machine; null when it has it
    /// all.</summary>
    public string? Unsaved { get; init; }
}
