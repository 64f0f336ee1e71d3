using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Wake.Contracts;

namespace Wake.Store;

/// <summary>A failure of CI that a session is, or was, woken with.</summary>
/// <param name="WakeNumber">The wake.</param>
/// <param name="Sha">The commit that failed.</param>
/// <param name="Checks">The checks that failed there.</param>
/// <param name="Error">The first error without what differs from run to run; null where no log could be read.</param>
/// <param name="Counts">Whether a test has failed, so that an attempt is spent.</param>
sealed record CiRound(int WakeNumber, string? Sha, IReadOnlyList<string> Checks, string? Error, bool Counts)
{
    public string? Excerpt { get; init; }

    /// <summary>The last words of its turn.</summary>
    public string? Said { get; init; }

    // What can be told from another failure; null where the error is not known.
    string? State => Error is null ? null : $"{string.Join('\n', Checks.Order(StringComparer.Ordinal))}\n\n{Error}";

    /// <summary>What a failure means after those before it. Pure: the same rounds give the same answer.</summary>
    /// <param name="policy">How often is tried.</param>
    /// <param name="before">The rounds of this budget, the first one first.</param>
    public CiAttempt After(IReadOnlyList<CiRound> before, CiPolicy policy)
    {
        if (!Counts)
            return new(0, policy.AttemptsPerCheck, "", 0, policy.AttemptsPerPullRequest, GoesOn: false, []);

        List<CiRound> rounds = [.. before.Where(x => x.Counts), this];
        var (check, tries) = Checks.Select(x => (x, Tries(rounds, x))).MaxBy(x => x.Item2[^1].Number);
        var total = rounds.Where((x, at) => at == 0 || x.State is null || x.State != rounds[at - 1].State).Count();
        return new(
            tries[^1].Number,
            policy.AttemptsPerCheck,
            check,
            total,
            policy.AttemptsPerPullRequest,
            tries.Count > 1 && tries[^2].Number == tries[^1].Number,
            [.. tries.SkipLast(1)]
        )
        {
            SpentBecause =
                Circle(rounds)
                ?? (
                    tries[^1].Number > policy.AttemptsPerCheck
                        ? $"{check} is red after {policy.AttemptsPerCheck} attempts to mend it"
                    : total > policy.AttemptsPerPullRequest
                        ? $"CI is red after {policy.AttemptsPerPullRequest} attempts to mend it"
                    : null
                ),
        };
    }

    // A check that was not among the failures has passed in between. With the same error as before it is the same
    // attempt that goes on.
    static List<CiTry> Tries(IEnumerable<CiRound> rounds, string check)
    {
        List<CiTry> tries = [];
        CiRound? last = null;
        foreach (var round in rounds)
        {
            if (!round.Checks.Contains(check))
            {
                tries.Clear();
                last = null;
                continue;
            }

            var goesOn = round.Error is not null && round.Error == last?.Error;
            tries.Add(
                new(
                    (tries.Count == 0 ? 0 : tries[^1].Number) + (goesOn ? 0 : 1),
                    round.WakeNumber,
                    round.Sha,
                    round.Error,
                    round.Said
                )
            );
            last = round;
        }

        return tries;
    }

    static string? Circle(List<CiRound> rounds)
    {
        if (rounds[^1].State is not { } now || rounds.Count < 3)
            return null;
        if (rounds[^2].State == now && rounds[^3].State == now)
            return "it has failed the same way three times in a row";

        var last = rounds.FindLastIndex(rounds.Count - 2, x => x.State == now);
        return last >= 0 && rounds.Skip(last + 1).Any(x => x.State is { } other && other != now)
            ? $"CI goes in a circle: it fails again as it did in wake {rounds[last].WakeNumber}"
            : null;
    }
}

/// <summary>Which attempt of a session at CI a turn is.</summary>
/// <param name="Number">Of the attempts at the check, counted from 1; 0 when no test has failed.</param>
/// <param name="Of">How many there may be.</param>
/// <param name="Check">The check that was tried most often.</param>
/// <param name="Total">Of the attempts at the pull request.</param>
/// <param name="TotalOf">How many of those there may be.</param>
/// <param name="GoesOn">Whether the first error is that of the turn before.</param>
/// <param name="Before">What was tried before, the first one first.</param>
public sealed record CiAttempt(
    int Number,
    int Of,
    string Check,
    int Total,
    int TotalOf,
    bool GoesOn,
    IReadOnlyList<CiTry> Before
)
{
    /// <summary>Why there is to be no further attempt; null when there is one.</summary>
    internal string? SpentBecause { get; init; }
}

/// <summary>An earlier turn about the same check.</summary>
/// <param name="Number">Which attempt it was.</param>
/// <param name="WakeNumber">Its wake.</param>
/// <param name="Sha">The commit that had failed.</param>
/// <param name="Error">Its first error, as it is compared; null when it is not known.</param>
/// <param name="Said">The last words of the turn; null when they are not known.</param>
public sealed record CiTry(int Number, int WakeNumber, string? Sha, string? Error, string? Said);

/// <summary>What an event says that CI came to.</summary>
/// <param name="Subject">The pull request.</param>
/// <param name="Passed">Whether it passed.</param>
/// <param name="Sha">The commit.</param>
/// <param name="Checks">The checks that count as failed.</param>
/// <param name="Excerpt">What a log says.</param>
/// <param name="Counts">Whether a test has failed.</param>
sealed partial record CiResult(
    string Subject,
    bool Passed,
    string? Sha,
    IReadOnlyList<string> Checks,
    string? Excerpt,
    bool Counts
)
{
    /// <summary>The type of the events it is read from.</summary>
    public const string Type = "github.ci.completed";

    const int MaxError = 300;

    public required CiPolicy Policy { get; init; }

    /// <summary>Whose policy it is, in words; null where that does not matter.</summary>
    public string? PolicyOf { get; init; }

    /// <summary>The first error without what differs from run to run; null where no log could be read.</summary>
    public string? Error => FirstError(Excerpt);

    /// <summary>Reads the data of an event; null when its failures are not counted.</summary>
    public static CiResult? Parse(string? subject, string? data, CiPolicy policy, string? policyOf = null)
    {
        if (subject is null || data is null)
            return null;

        using var json = JsonDocument.Parse(data, new() { MaxDepth = 512 });
        var fields = json.RootElement;
        var conclusion = Text(fields, "conclusion");
        if (conclusion is not ("success" or "failure") || !(policy.AllPullRequests || Flag(fields, "own")))
            return null;

        var checks =
            fields.TryGetProperty("checks", out var list) && list.ValueKind is JsonValueKind.Array
                ? list.EnumerateArray()
                    .Where(x => x.ValueKind is JsonValueKind.Object)
                    .Select(x => (Name: Text(x, "name") ?? "?", Tests: Text(x, "failure") != "infrastructure"))
                    .ToList()
                : [];
        var counts = Text(fields, "failure") != "infrastructure";
        var names = checks.Where(x => x.Tests == counts).Select(x => x.Name).Distinct().ToList();
        return new(
            subject,
            conclusion == "success",
            Text(fields, "sha"),
            names is [] ? [Text(fields, "failed") ?? "CI"] : names,
            Text(fields, "excerpt"),
            counts
        )
        {
            Policy = policy,
            PolicyOf = policyOf,
        };
    }

    public CiRound Round(int wakeNumber) => new(wakeNumber, Sha, Checks, Error, Counts) { Excerpt = Excerpt };

    /// <summary>
    /// The first line of an excerpt that says what is wrong, without numbers, paths and times. That a process has ended
    /// with a code says nothing.
    /// </summary>
    public static string? FirstError(string? excerpt)
    {
        var lines = (excerpt ?? "").Split('\n').Where(x => !x.Contains("Process completed with exit code")).ToList();
        var first = lines.Find(x => Wrong().IsMatch(x)) ?? lines.FindLast(x => !string.IsNullOrWhiteSpace(x));
        if (first is null)
            return null;

        var same = Varying().Replace(first.Replace("##[error]", ""), " ");
        same = Spaces().Replace(same, " ").Trim();
        return same.Length == 0 ? null
            : same.Length > MaxError ? StorableText.Sanitize(same[..MaxError])
            : same;
    }

    static string? Text(JsonElement fields, string name)
    {
        try
        {
            return
                fields.ValueKind is JsonValueKind.Object
                && fields.TryGetProperty(name, out var value)
                && value.ValueKind is JsonValueKind.String
                ? StorableText.Sanitize(value.GetString()!)
                : null;
        }
        // Half of a surrogate pair, which json allows and the reader refuses.
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    static bool Flag(JsonElement fields, string name) =>
        fields.ValueKind is JsonValueKind.Object
        && fields.TryGetProperty(name, out var value)
        && value.ValueKind is JsonValueKind.True;

    // Not "0 errors" and the like.
    [GeneratedRegex(
        @"(^|[^0-9a-z ] *|[a-z:] +|[1-9][0-9]* +)(error|errors|fail|failed|failure|failures|fatal|panic|exception|[a-z]+(error|exception)|assert[a-z]*|expected)\b|✗|✘",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking
    )]
    private static partial Regex Wrong();

    // Paths, times, hashes and numbers.
    [GeneratedRegex(
        @"([A-Za-z]:)?([\w.@-]*[/\\])+[\w.@-]*|[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+Z?|\b[0-9a-f]{7,64}\b|[0-9]+([.:,][0-9]+)*",
        RegexOptions.CultureInvariant | RegexOptions.NonBacktracking
    )]
    private static partial Regex Varying();

    [GeneratedRegex(@"\s+", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Spaces();
}

/// <summary>What a person reads about a budget that is spent.</summary>
static class CiSummary
{
    // Of the excerpts of all rounds together.
    const int MaxExcerpts = 8_000;

    const int MaxSubject = 200;

    /// <summary>The note of the parked turn.</summary>
    public static string Note(string subject, string why) =>
        $"{Turns.CiSpentPrefix}{Cut(subject, MaxSubject)}: {Cut(why, MaxSubject)}. wake explain shows every round; "
        + "wake resume goes on with a new budget.";

    /// <summary>Which attempt it is, and who says how many there may be.</summary>
    public static string Attempt(CiResult result, CiAttempt attempt) =>
        (
            attempt.Number == 0
                ? "no attempt"
                : $"attempt {attempt.Number} of {attempt.Of} at {Cut(attempt.Check, MaxSubject)}, "
                    + $"{attempt.Total} of {attempt.TotalOf}"
        ) + $" for {Cut(result.Subject, MaxSubject)}, as {result.PolicyOf} says";

    /// <summary>Every round with its excerpt.</summary>
    public static string Rounds(string subject, string why, IReadOnlyList<CiRound> rounds)
    {
        var text = new StringBuilder(
            $"CI of {Cut(subject, MaxSubject)}: {Cut(why, MaxSubject)}. The rounds of this budget:"
        );
        foreach (var round in rounds)
        {
            text.Append(
                CultureInfo.InvariantCulture,
                $"\nwake {round.WakeNumber}, commit {Cut(round.Sha ?? "?", 8)}: "
            );
            text.Append(Cut(string.Join(", ", round.Checks), MaxSubject));
            text.Append(round.Counts ? "" : " (no test has failed)");
            if (round.Excerpt is { } excerpt)
                text.Append('\n').Append(Indented(Tail(excerpt, MaxExcerpts / rounds.Count)));
            if (round.Said is { } said)
                text.Append("\n  the last words of its turn:\n").Append(Indented(said));
        }

        return text.ToString();
    }

    // The error stands at the end of an excerpt.
    static string Tail(string text, int length) => text.Length > length ? $"…{text[^length..]}" : text;

    static string Cut(string text, int length) => text.Length > length ? $"{StorableText.Head(text, length)}…" : text;

    static string Indented(string text) => string.Join('\n', text.Split('\n').Select(x => $"  | {x.TrimEnd('\r')}"));
}
