namespace Wake.Runner;

/// <summary>What there is of a Claude session's transcript before a turn.</summary>
abstract record TranscriptState
{
    /// <summary>The CLI will find it.</summary>
    /// <param name="Since">When it was last written to.</param>
    public sealed record Ready(DateTimeOffset Since) : TranscriptState
    {
        /// <summary>Nobody has written to it since it was last used here, neither on this machine nor in the
        /// store.</summary>
        public bool IsUnchanged { get; init; }
    }

    /// <summary>It is neither here nor in the store.</summary>
    public sealed record None : TranscriptState;

    /// <summary>Of what was stored nothing can be read, and here is none. One of which the CLI can read anything is no
    /// such.</summary>
    /// <param name="Problem">What is wrong.</param>
    public sealed record Damaged(string Problem) : TranscriptState;
}
