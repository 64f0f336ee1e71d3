using System.ComponentModel.DataAnnotations;

namespace Wake.Runner;

/// <summary>How the <c>claude</c> CLI is run. Environment: <c>Claude__…</c>.</summary>
sealed class ClaudeOptions : IValidatableObject
{
    public const string Section = "Claude";

    /// <summary>The program: a path, or a name that is looked up on PATH.</summary>
    [Required]
    public string Executable { get; init; } = "claude";

    /// <summary>How long one turn may take in all before it is interrupted.</summary>
    public TimeSpan TurnTimeout { get; init; } = TimeSpan.FromHours(2);

    /// <summary>
    /// How long a turn may say nothing at all before it is interrupted. Longer than the CLI's longest tool call (ten
    /// minutes by default); a retry of the API counts as a word.
    /// </summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromMinutes(20);

    /// <summary>
    /// How long before the end of a turn's time the session is told, so that it can save its work. Null: a tenth of
    /// that time, ten minutes at most. Zero: never.
    /// </summary>
    public TimeSpan? TimeoutNotice { get; init; }

    /// <summary>How long an interrupted turn gets to write its transcript, and again after SIGTERM, before it is
    /// killed.</summary>
    public TimeSpan KillAfter { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How long a runner may take to stop: an interrupted turn takes its time to end, and again after SIGTERM; then it
    /// has to be written down. Whatever stops runners has to be more patient.
    /// </summary>
    public TimeSpan DrainTime => 2 * KillAfter + TimeSpan.FromSeconds(20);

    /// <summary>How long before its end a turn of this length is told; zero when it is not.</summary>
    public TimeSpan TimeoutNoticeFor(TimeSpan turnTimeout)
    {
        var most = turnTimeout / 10;
        return TimeoutNotice is { } chosen ? (chosen < turnTimeout ? chosen : most)
            : most < TimeSpan.FromMinutes(10) ? most
            : TimeSpan.FromMinutes(10);
    }

    /// <summary>How often the CLI itself repeats a failing request within one attempt. Wake's own attempts come
    /// after.</summary>
    [Range(0, 100)]
    public int MaxRetries { get; init; } = 4;

    /// <summary>
    /// Names of further variables of the runner's environment that reach the CLI, beside those that always do; a
    /// <c>*</c> at the end stands for any rest. The CLI's tools can read them all.
    /// </summary>
    public IReadOnlyList<string> PassEnvironment { get; init; } = [];

    /// <summary>Names, in the same form, that do not reach the CLI although they would.</summary>
    public IReadOnlyList<string> DropEnvironment { get; init; } = [];

    /// <summary>Further variables for the CLI, by name.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (TurnTimeout <= TimeSpan.Zero)
            yield return new("TurnTimeout must be positive.", [nameof(TurnTimeout)]);

        if (IdleTimeout <= TimeSpan.Zero)
            yield return new("IdleTimeout must be positive.", [nameof(IdleTimeout)]);

        if (TimeoutNotice < TimeSpan.Zero || TimeoutNotice >= TurnTimeout)
            yield return new(
                "TimeoutNotice must not be negative, and shorter than TurnTimeout.",
                [nameof(TimeoutNotice), nameof(TurnTimeout)]
            );

        if (KillAfter <= TimeSpan.Zero || KillAfter >= TurnTimeout)
            yield return new(
                "KillAfter must be positive and shorter than TurnTimeout.",
                [nameof(KillAfter), nameof(TurnTimeout)]
            );
    }
}
