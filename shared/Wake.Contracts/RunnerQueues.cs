namespace Wake.Contracts;

/// <summary>
/// Where <see cref="ResumeSession"/> is sent: the queues runners take their work from, each behind an exchange of the
/// same name.
/// </summary>
static class RunnerQueues
{
    /// <summary>The pool of runners and sessions that name none.</summary>
    public const string DefaultPool = "default";

    /// <summary>The longest name a runner can have, in letters.</summary>
    public const int MaxRunnerName = 100;

    /// <summary>What every runner of a pool takes work from.</summary>
    public static string ForPool(string pool) => pool == DefaultPool ? "resume-session" : $"resume-session-{pool}";

    /// <summary>The same for wakes that a person waits for.</summary>
    public static string UrgentForPool(string pool) => $"{ForPool(pool)}.urgent";

    /// <summary>What one runner alone takes: the next wakes of sessions that it has at hand.</summary>
    public static string ForRunner(string runner) => $"resume-session.of.{runner}";

    /// <summary>Whether a pool can be called so: lower-case letters, digits and hyphens, forty at most.</summary>
    public static bool IsValidPool(string name) =>
        name.Length is > 0 and <= 40 && name.All(x => char.IsAsciiLetterLower(x) || char.IsAsciiDigit(x) || x == '-');

    /// <summary>Whether a runner can be called so: letters, digits and <c>_ - . :</c>, a hundred at most.</summary>
    public static bool IsValidRunner(string name) =>
        name.Length is > 0 and <= MaxRunnerName
        && name.All(x => char.IsAsciiLetterOrDigit(x) || x is '_' or '-' or '.' or ':');
}
