using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary>What is done about failures of CI, in lists.</summary>
static class CiOptions
{
    /// <summary>As a column of a table shows it.</summary>
    public static string Format(CiPolicy? policy) =>
        policy is null ? "" : $"{policy.AttemptsPerCheck} by check, {policy.AttemptsPerPullRequest} by pull request";
}
