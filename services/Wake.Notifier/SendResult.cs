namespace Wake.Notifier;

/// <summary>What became of an attempt.</summary>
abstract record SendResult
{
    /// <summary>The target has it.</summary>
    public sealed record Delivered : SendResult;

    /// <summary>It may not have it.</summary>
    /// <param name="Why">Why, for people.</param>
    public sealed record Failed(string Why) : SendResult
    {
        /// <summary>How long the target asks to be left alone.</summary>
        public TimeSpan? RetryAfter { get; init; }

        /// <summary>The target will never take this message.</summary>
        public bool Permanent { get; init; }
    }

    /// <summary>The target wants nothing any more.</summary>
    /// <param name="Why">Why, for people.</param>
    public sealed record Gone(string Why) : SendResult;
}
