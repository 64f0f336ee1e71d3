using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>
/// The checks, statuses and workflow runs of a commit added up. The same ones give the same fingerprint, whichever way
/// they were read; a run again gives another.
/// </summary>
public abstract record CiRollup
{
    static readonly HashSet<string> Failing =
    [
        "failure",
        "timed_out",
        "cancelled",
        "action_required",
        "startup_failure",
        "stale",
        "error",
    ];

    /// <summary>What it adds up to so far, ended or not.</summary>
    internal Finished Sum => this is Unfinished unfinished ? unfinished.SoFar : (Finished)this;

    /// <summary>Something that is waited for has not ended, or nothing is there yet.</summary>
    /// <param name="SoFar">What has ended, and what has not.</param>
    public sealed record Unfinished(Finished SoFar) : CiRollup;

    /// <summary>Everything that is waited for has ended. Believe it only after it has held for a while: GitHub adds
    /// late runs.</summary>
    /// <param name="Failed">The names of what failed.</param>
    /// <param name="Total">How many checks, statuses and runs have ended.</param>
    /// <param name="Fingerprint">16 hexadecimal digits.</param>
    public sealed record Finished(IReadOnlyList<string> Failed, int Total, string Fingerprint) : CiRollup
    {
        /// <summary>What failed, and how; empty in what an older version has kept.</summary>
        public IReadOnlyList<CheckFailure> Failures { get; init; } = [];

        /// <summary>What has not ended.</summary>
        public IReadOnlyList<OpenCheck> Open { get; init; } = [];

        /// <summary>
        /// <c>success</c> or <c>failure</c>. While something that counts is open and nothing has failed:
        /// <c>action_required</c> when a person must let it go on, else <c>pending</c>.
        /// </summary>
        public string State =>
            Failed.Count > 0 ? "failure"
            : !Open.Any(x => x.Counts) ? "success"
            : Open.Any(x => x.Approval) ? "action_required"
            : "pending";

        /// <summary>The same, of a check whose runner was lost.</summary>
        internal Finished WithLostRunner(string? check) =>
            this with
            {
                Failures = [.. Failures.Select(x => x.Name == check ? x with { RunnerLost = true } : x)],
            };

        /// <summary>Whether nothing more happens before a person has let it go on.</summary>
        internal bool WaitsForApproval => Open.Any(x => x.Approval) && Open.All(x => x.Approval || x.Since is null);
    }

    /// <summary>Adds up all pages of the check runs, and the statuses of the combined status.</summary>
    /// <param name="checkRuns">The check runs.</param>
    /// <param name="statuses">The statuses.</param>
    /// <param name="suites">
    /// What each check suite came of, where known: the workflow, and what started it. Only what came of the same
    /// replaces another of its name.
    /// </param>
    /// <param name="runs">
    /// The workflow runs of the commit. One that has not ended holds the sum also before it has jobs; one that has
    /// failed counts by itself where no check tells of it, as after a start that failed.
    /// </param>
    /// <param name="rules">What must pass and what does not matter; null: nothing is known.</param>
    public static CiRollup Aggregate(
        IEnumerable<JsonElement> checkRuns,
        IEnumerable<JsonElement> statuses,
        IReadOnlyDictionary<long, string>? suites = null,
        IEnumerable<WorkflowRun>? runs = null,
        CiRules? rules = null
    )
    {
        rules ??= CiRules.None;

        // A second run of a workflow on the same commit adds a second set of check runs, and the old red one stays
        // listed. What the second one skips it says nothing about.
        var all = checkRuns.Where(x => x.Number("id") is not null).ToList();
        var checks = all.Where(x => !rules.IsIgnored(x.Text("name")))
            .GroupBy(x => (App(x), x.Text("name"), Origin(x)))
            .Select(x =>
                x.OrderBy(y => y.Text("conclusion") == "skipped").ThenByDescending(y => y.Number("id")).First()
            )
            .ToList();
        var contexts = statuses
            .Where(x =>
                x.Number("id") is not null && !CiRules.IsOwn(x.Text("context")) && !rules.IsIgnored(x.Text("context"))
            )
            .GroupBy(x => x.Text("context"))
            .Select(x => x.MaxBy(y => y.Number("id")))
            .ToList();
        var newest = (runs ?? [])
            .Where(x => !rules.IsIgnored(x.Name))
            .GroupBy(x => x.Origin)
            .Select(x => x.OrderBy(y => y.Conclusion == "skipped").ThenByDescending(y => y.Id).First())
            .ToList();

        var (ended, going) = (checks.Where(IsCompleted).ToList(), checks.Where(x => !IsCompleted(x)).ToList());
        var (said, pending) = (
            contexts.Where(x => StateOf(x) != "pending").ToList(),
            contexts.Where(x => StateOf(x) == "pending").ToList()
        );

        // Jobs say more than their run does: it counts where none are to be seen, or where none accounts for its
        // failure.
        var alone = newest
            .Where(x =>
                x.IsCompleted
                && !x.NeedsApproval
                && (
                    IsFailing(x.Conclusion)
                        ? !ended.Exists(y => IsOf(y, x) && IsFailing(y.Text("conclusion")))
                        : !all.Exists(y => App(y) == "github-actions")
                )
            )
            .ToList();
        var waiting = newest.Where(x =>
            (!x.IsCompleted || x.NeedsApproval) && !going.Exists(y => IsOf(y, x) && y.Text("status") != "waiting")
        );

        List<OpenCheck> open =
        [
            .. waiting.Select(x => new OpenCheck(
                x.Name,
                x.StartedAt,
                rules.IsRequired(x.Name),
                x.NeedsApproval || going.Exists(y => IsOf(y, x))
            )),
            .. going
                .Where(x => x.Text("status") != "waiting" || !newest.Exists(y => IsOf(x, y)))
                .Select(x => new OpenCheck(
                    Name(x),
                    x.Time("started_at"),
                    rules.IsRequired(Name(x)),
                    x.Text("status") == "waiting"
                )),
            .. pending.Select(x => new OpenCheck(
                Context(x),
                x.Time("updated_at") ?? x.Time("created_at"),
                rules.IsRequired(Context(x)),
                Approval: false
            )),
            .. rules
                .RequiredNames.Except(checks.Select(Name))
                .Except(contexts.Select(Context))
                .Select(x => new OpenCheck(x, Since: null, Counts: true, Approval: false)),
        ];
        var lines = ended
            .Select(x =>
                $"c/{App(x)}/{x.Text("name")}={x.Number("id")}:{x.Text("conclusion")}:{x.TimeForKey("completed_at")}"
            )
            .Concat(
                alone.Select(x =>
                    $"c/github-actions/{x.Name}={x.Id}:{x.Conclusion}:{x.UpdatedAt?.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}"
                )
            )
            .Concat(said.Select(x => $"s/{x.Text("context")}={x.Number("id")}:{StateOf(x)}"))
            .Concat(open.Where(x => x.Counts).Select(x => $"o/{x.Name}{(x.Approval ? "!" : "")}"))
            .Order(StringComparer.Ordinal);
        List<CheckFailure> failures =
        [
            .. ended
                .Where(x => IsFailing(x.Text("conclusion")))
                .Select(x => new CheckFailure(
                    Name(x),
                    x.Text("conclusion")!,
                    App(x) == "github-actions" ? runs?.FirstOrDefault(y => IsOf(x, y))?.Id : null
                )),
            .. alone.Where(x => IsFailing(x.Conclusion)).Select(x => new CheckFailure(x.Name, x.Conclusion!, x.Id)),
            .. said.Where(x => IsFailing(StateOf(x))).Select(x => new CheckFailure(Context(x), StateOf(x), Run: null)),
        ];
        failures.Sort((x, y) => string.CompareOrdinal(x.Name, y.Name));

        var sum = new Finished(
            [.. failures.Select(x => x.Name)],
            ended.Count + alone.Count + said.Count,
            Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', lines))))[..16]
        )
        {
            Failures = failures,
            Open =
            [
                .. open.OrderByDescending(x => x.Counts)
                    .ThenBy(x => x.Name, StringComparer.Ordinal)
                    .DistinctBy(x => x.Name),
            ],
        };

        // A job that runs will end. A status that nobody requires may be one that its bot never brings to an end.
        var held = open.Exists(x => x.Counts) || going.Count > 0 || newest.Exists(x => !x.IsCompleted);
        return held || sum.Total == 0 ? new Unfinished(sum) : sum;

        string? Origin(JsonElement check) =>
            check.Number("check_suite", "id") is { } suite && suites?.TryGetValue(suite, out var origin) is true
                ? origin
                : check.TextOrNumber("check_suite", "id");

        static bool IsOf(JsonElement check, WorkflowRun run) =>
            check.Number("check_suite", "id") is { } suite && suite == run.Suite;
    }

    static bool IsCompleted(JsonElement check) => check.Text("status") == "completed";

    static bool IsFailing(string? conclusion) => Failing.Contains(conclusion ?? "");

    static string Name(JsonElement check) => check.Text("name") ?? "?";

    static string Context(JsonElement status) => status.Text("context") ?? "?";

    static string? App(JsonElement check) => check.Text("app", "slug") ?? check.TextOrNumber("app", "id");

    static string StateOf(JsonElement status) => status.Text("state")?.ToLowerInvariant() ?? "pending";
}

/// <summary>A check, status or run that has failed.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Conclusion">How it ended.</param>
/// <param name="Run">The workflow run that it is a job of; null when it is none of a run that is known.</param>
public sealed record CheckFailure(string Name, string Conclusion, long? Run)
{
    static readonly HashSet<string> NotOfTests = ["startup_failure", "cancelled", "timed_out", "stale"];

    /// <summary>Its runner was lost, which its conclusion does not tell.</summary>
    public bool RunnerLost { get; init; }

    /// <summary>Whether what runs the tests has failed, rather than a test.</summary>
    internal bool IsInfrastructure => RunnerLost || NotOfTests.Contains(Conclusion);

    /// <summary>The word for it in an event's data.</summary>
    internal string Kind => IsInfrastructure ? "infrastructure" : "tests";
}

/// <summary>A check, status or run that has not ended.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Since">Since when; null when it has not begun.</param>
/// <param name="Counts">Whether it is required, or nothing is known of what is.</param>
/// <param name="Approval">Whether a person must let it go on.</param>
public sealed record OpenCheck(string Name, DateTimeOffset? Since, bool Counts, bool Approval);

/// <summary>A run of a workflow, as far as it matters to the sum.</summary>
/// <param name="Id">Its id, which it keeps when it runs again.</param>
/// <param name="Name">The name of its workflow.</param>
/// <param name="Origin">The workflow, and what started it: of one origin the newest run counts.</param>
/// <param name="Suite">The check suite of its jobs.</param>
/// <param name="Attempt">How often it was started.</param>
/// <param name="Status">How far it is.</param>
/// <param name="Conclusion">How it ended.</param>
/// <param name="StartedAt">When it was started.</param>
/// <param name="UpdatedAt">When it was last different.</param>
public sealed record WorkflowRun(
    long Id,
    string Name,
    string Origin,
    long? Suite,
    long Attempt,
    string? Status,
    string? Conclusion,
    DateTimeOffset? StartedAt,
    DateTimeOffset? UpdatedAt
)
{
    internal bool IsCompleted => Status == "completed";

    /// <summary>
    /// Whether a person must let it go on. GitHub ends a run of a stranger's fork until it is approved, and lets one
    /// wait whose deployment is to be reviewed.
    /// </summary>
    internal bool NeedsApproval => Status == "waiting" || Conclusion == "action_required";

    /// <summary>Reads GitHub's object; null when it is none.</summary>
    public static WorkflowRun? Parse(JsonElement run) =>
        run.Number("id") is { } id
            ? new(
                id,
                run.Text("name") ?? "?",
                OriginOf(run) ?? GitHubObservation.FormatNumber(id),
                run.Number("check_suite_id"),
                run.Number("run_attempt") ?? 1,
                run.Text("status"),
                run.Text("conclusion"),
                run.Time("run_started_at") ?? run.Time("created_at"),
                run.Time("updated_at")
            )
            : null;

    /// <summary>Adds what the check suite of a run came of, where the run tells.</summary>
    internal static void AddOrigin(Dictionary<long, string> suites, JsonElement run)
    {
        if (run.Number("check_suite_id") is { } suite && OriginOf(run) is { } origin)
            suites[suite] = origin;
    }

    /// <summary>The workflow of a run, and what started it.</summary>
    public static string? OriginOf(JsonElement run) =>
        run.Number("workflow_id") is { } workflow ? $"{workflow}/{run.Text("event")}" : null;
}
