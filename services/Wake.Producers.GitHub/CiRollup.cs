using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>
/// The checks and statuses of a commit added up. The same checks give the same fingerprint, whichever way they were read; a
/// run again gives another.
/// </summary>
public abstract record CiRollup
{
    static readonly HashSet<string> Failing =
        ["failure", "timed_out", "cancelled", "action_required", "startup_failure", "stale", "error"];

    /// <summary>Something still runs, or nothing is there yet.</summary>
    public sealed record Unfinished : CiRollup;

    /// <summary>Everything has ended. Believe it only after it has held for a while: GitHub adds late runs.</summary>
    /// <param name="Failed">The names of what failed.</param>
    /// <param name="Total">How many checks and statuses count.</param>
    /// <param name="Fingerprint">16 hexadecimal digits.</param>
    public sealed record Finished(IReadOnlyList<string> Failed, int Total, string Fingerprint) : CiRollup
    {
        /// <summary><c>success</c> or <c>failure</c>.</summary>
        public string State => Failed.Count > 0 ? "failure" : "success";
    }

    /// <summary>Adds up all pages of the check runs, and the statuses of the combined status.</summary>
    /// <param name="checkRuns">The check runs.</param>
    /// <param name="statuses">The statuses.</param>
    /// <param name="suites">
    /// What each check suite came of, where known: the workflow, and what started it. Only what came of the same replaces another of
    /// its name.
    /// </param>
    public static CiRollup Of(
        IEnumerable<JsonElement> checkRuns, IEnumerable<JsonElement> statuses, IReadOnlyDictionary<long, string>? suites = null)
    {
        // A second run of a workflow on the same commit adds a second set of check runs, and the old red one stays listed. What the
        // second one skips it says nothing about.
        var checks = checkRuns.Where(x => x.Number("id") is not null)
            .GroupBy(x => (App(x), x.Text("name"), Origin(x)))
            .Select(x => x.OrderBy(y => y.Text("conclusion") == "skipped").ThenByDescending(y => y.Number("id")).First()).ToList();
        var contexts = statuses.Where(x => x.Number("id") is not null)
            .GroupBy(x => x.Text("context"))
            .Select(x => x.MaxBy(y => y.Number("id"))).ToList();

        if (checks.Count + contexts.Count == 0
            || checks.Exists(x => x.Text("status") != "completed")
            || contexts.Exists(x => StateOf(x) == "pending"))
            return new Unfinished();

        var lines = checks.Select(x => $"c/{App(x)}/{x.Text("name")}={x.Number("id")}:{x.Text("conclusion")}:{x.Moment("completed_at")}")
            .Concat(contexts.Select(x => $"s/{x.Text("context")}={x.Number("id")}:{StateOf(x)}"))
            .Order(StringComparer.Ordinal);
        var failed = checks.Where(x => Failing.Contains(x.Text("conclusion") ?? "")).Select(x => x.Text("name") ?? "?")
            .Concat(contexts.Where(x => Failing.Contains(StateOf(x))).Select(x => x.Text("context") ?? "?"))
            .Order(StringComparer.Ordinal);

        return new Finished(
            [.. failed], checks.Count + contexts.Count,
            Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', lines))))[..16]);

        string? Origin(JsonElement check) =>
            check.Number("check_suite", "id") is { } suite && suites?.TryGetValue(suite, out var origin) is true
                ? origin : check.Name("check_suite", "id");
    }

    static string? App(JsonElement check) => check.Text("app", "slug") ?? check.Name("app", "id");

    static string StateOf(JsonElement status) => status.Text("state")?.ToLowerInvariant() ?? "pending";
}
