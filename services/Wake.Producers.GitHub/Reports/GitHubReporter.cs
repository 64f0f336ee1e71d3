using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Options;
using Wake.Producing;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Producers.GitHub;

/// <summary>
/// Reports what became of turns on GitHub: one comment on a pull request or issue, made once and edited afterwards, or
/// a status of a commit. Who dies after sending has left a note that it was about to: whoever goes on looks for the
/// comment first.
/// </summary>
sealed class GitHubReporter(
    Reports reports,
    GitHubClients clients,
    IOptions<GitHubOptions> options,
    TimeProvider time,
    ILogger<GitHubReporter> log
) : BackgroundService
{
    // GitHub asks for a second between two writes.
    static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(1);

    // A comment may show in a list later than its time says, and clocks differ.
    static readonly TimeSpan Lag = TimeSpan.FromMinutes(5);

    static readonly TimeSpan LoginRetryAfter = TimeSpan.FromMinutes(1);

    // Of what came to a busy place since then.
    const int MaxPages = 10;

    // Longer than a write may take: it is renewed before each.
    readonly TimeSpan lease = options.Value.RequestTimeout * 4;
    readonly string[] subjects = [.. options.Value.Accounts.Values.SelectMany(x => x.CheckableSubjects).Distinct()];
    readonly Dictionary<string, string> logins = [];
    readonly Dictionary<string, DateTimeOffset> loginDueAt = [];

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        BackgroundLoop.Run(log, "Reporting results of turns", ReportNext, PollInterval, time, stoppingToken);

    async Task<TimeSpan> ReportNext(CancellationToken cancel)
    {
        if (!await reports.AnyDue(cancel))
            return PollInterval;

        await LearnLogins(cancel);

        if (await reports.Claim(subjects, [.. logins.Values], lease, cancel) is not { } due)
            return PollInterval;

        (due, var outcome) = await TrySend(due, cancel);

        // What has happened is noted although this stops.
        switch (outcome)
        {
            case Outcome.Reported { CommentId: var comment, Note: var note }:
                await reports.SetReported(due, comment, note, CancellationToken.None);
                Count(due, "reported");
                break;

            case Outcome.Refused { Why: var why } refused:
                log.LogWarning("A result is not reported on {Subject}: {Reason}", due.Subject, why);
                await reports.SetRefused(due, why, refused.Deleted, refused.Unsent, CancellationToken.None);
                Count(due, "refused");
                break;

            case Outcome.Failed { Why: var why, RetryAt: var at }:
                if (RetrySchedule.DelayAfter(due.Attempt) is not { } delay)
                {
                    await reports.SetRefused(
                        due,
                        $"given up: {why}",
                        deleted: false,
                        unsent: false,
                        CancellationToken.None
                    );
                    Count(due, "refused");
                    break;
                }

                var asked = at - time.GetUtcNow() ?? TimeSpan.Zero;
                await reports.SetFailed(due, why, asked > delay ? asked : delay, CancellationToken.None);
                Count(due, "failed");
                break;

            default:
                throw new InvalidOperationException($"Unknown {outcome}.");
        }

        return PollInterval;
    }

    // An account that cannot say who it is writes nothing, and the others do.
    async Task LearnLogins(CancellationToken cancel)
    {
        var now = time.GetUtcNow();
        foreach (var name in options.Value.Accounts.Keys.Where(x => !logins.ContainsKey(x)))
        {
            if (loginDueAt.TryGetValue(name, out var due) && due > now)
                continue;

            loginDueAt[name] = now + LoginRetryAfter;
            try
            {
                if (await clients.ClientOf(name).GetLogin(cancel) is { } login)
                    logins[name] = login;
            }
            catch (GitHubUnavailableException unavailable)
            {
                log.LogWarning("GitHub does not say who account {Account} is: {Reason}", name, unavailable.Message);
            }
        }
    }

    async Task<(DueReport, Outcome)> TrySend(DueReport due, CancellationToken cancel)
    {
        try
        {
            if (due.Turns is [])
                return (due, new Outcome.Refused("it has waited for too long"));
            if (
                GitHubRepository.FromSubject(due.Subject) is not { } home
                || WatchedRepository.NumberOf(due.Subject) is not { } number
                || clients.AccountOf(home) is not { } account
            )
                return (due, new Outcome.Refused("no account writes there"));
            if (!logins.TryGetValue(account, out var login))
                return (due, new Outcome.Failed($"GitHub does not say who account {account} is", null));

            var place = new Place(due, home, number, clients.ClientOf(account), login);
            if (due.Kind is ReportPolicy.Status)
                return (due, await SetStatus(place, cancel));

            if (
                due.SentAt is not null
                && due.Author is { } author
                && !author.Equals(login, StringComparison.OrdinalIgnoreCase)
            )
                return (due, new Outcome.Refused($"its comment is by {author}, and the account is {login}"));

            var comment = due.CommentId ?? await FindComment(place, cancel);
            if (await reports.BeginSend(due, login, lease, cancel) is not { } begun)
                return (due, new Outcome.Failed("somebody else sends it", null));

            due = begun;
            return (due, await WriteComment(place with { Due = due }, comment, cancel));
        }
        catch (GitHubUnavailableException unavailable)
        {
            return (due, new Outcome.Failed(unavailable.Message.TrimEnd('.'), unavailable.RetryAt));
        }
        // Whatever it is, it counts as an attempt: what nobody can send must not be sent for ever.
        catch (Exception failed) when (failed is not OperationCanceledException && !PostgresErrors.IsFailure(failed))
        {
            log.LogError(failed, "Reporting on {Subject} failed.", due.Subject);
            return (due, new Outcome.Failed(failed.GetBaseException().Message, null));
        }
    }

    static async Task<Outcome> WriteComment(Place place, long? comment, CancellationToken cancel)
    {
        var due = place.Due;
        var body = new JsonObject { ["body"] = ReportText.Comment(due) };
        if (comment is { } id)
        {
            return await place.Client.Write(
                $"{place.Path}/issues/comments/{Format(id)}",
                body,
                place.Home.FullName,
                change: true,
                cancel
            ) switch
            {
                GitHubWritten.Done => new Outcome.Reported(id, $"comment {id} on {due.Subject} was edited"),
                GitHubWritten.Refused { Status: 404 } when await IsThere(place, cancel) => new Outcome.Refused(
                    $"comment {id} was deleted. There will be no other"
                )
                {
                    Deleted = true,
                },
                GitHubWritten.Refused { Why: var why } => new Outcome.Refused($"comment {id} cannot be edited: {why}"),
                var other => throw new InvalidOperationException($"Unknown {other}."),
            };
        }

        return await place.Client.Write(
            $"{place.Path}/issues/{Format(place.Number)}/comments",
            body,
            place.Home.FullName,
            change: false,
            cancel
        ) switch
        {
            GitHubWritten.Done { Body: var made } when made.Number("id") is { } number => new Outcome.Reported(
                number,
                $"comment {number} was made on {due.Subject}"
            ),
            GitHubWritten.Done => new Outcome.Failed("the answer names no comment", null),
            GitHubWritten.Refused { Why: var why } => new Outcome.Refused($"no comment can be made: {why}")
            {
                Unsent = true,
            },
            var other => throw new InvalidOperationException($"Unknown {other}."),
        };
    }

    // One that was sent, and of which nobody knows whether it arrived.
    static async Task<long?> FindComment(Place place, CancellationToken cancel)
    {
        if (place.Due.SentAt is not { } sent)
            return null;

        var since = (sent - Lag).UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        var answer = await place.Client.Get(
            $"{place.Path}/issues/{Format(place.Number)}/comments?per_page=100&since={since}",
            place.Home.FullName,
            null,
            JsonValueKind.Array,
            cancel
        );
        for (var page = 1; ; page++)
        {
            // A second one must not be made because the first cannot be seen.
            if (answer is not GitHubResponse.Success found || page > MaxPages)
                throw new GitHubUnavailableException("GitHub does not show whether the comment is there");

            var own = found
                .Body.Items()
                .FirstOrDefault(x =>
                    ReportText.FindId(x.Text("body")) == place.Due.Id
                    && place.Login.Equals(x.Text("user", "login"), StringComparison.OrdinalIgnoreCase)
                );
            if (own.Number("id") is { } id)
                return id;
            if (found.Next is not { } next)
                return null;
            answer = await place.Client.Get(next, place.Home.FullName, JsonValueKind.Array, cancel);
        }
    }

    static async Task<bool> IsThere(Place place, CancellationToken cancel) =>
        await place.Client.Get(
            $"{place.Path}/issues/{Format(place.Number)}",
            place.Home.FullName,
            null,
            JsonValueKind.Object,
            cancel
        ) is GitHubResponse.Success;

    static async Task<Outcome> SetStatus(Place place, CancellationToken cancel)
    {
        if ((place.Due.Sha ?? await FindHead(place, cancel)) is not { } sha)
            return new Outcome.Refused("GitHub shows no pull request there, and so no commit");

        var (newest, context) = (place.Due.Turns[0], ReportText.Context(place.Due));
        return await place.Client.Write(
            $"{place.Path}/statuses/{sha}",
            new()
            {
                ["state"] = newest.Outcome == "completed" ? "success" : "failure",
                ["context"] = context,
                ["description"] = ReportText.Description(newest),
            },
            place.Home.FullName,
            change: false,
            cancel
        ) switch
        {
            GitHubWritten.Done => new Outcome.Reported(null, $"status {context} of {sha[..8]} for {place.Due.Subject}"),
            GitHubWritten.Refused { Why: var why } => new Outcome.Refused($"no status can be set: {why}"),
            var other => throw new InvalidOperationException($"Unknown {other}."),
        };
    }

    static async Task<string?> FindHead(Place place, CancellationToken cancel) =>
        await place.Client.Get(
            $"{place.Path}/pulls/{Format(place.Number)}",
            place.Home.FullName,
            null,
            JsonValueKind.Object,
            cancel
        )
            is GitHubResponse.Success { Body: var pull }
            ? pull.Text("head", "sha")
            : null;

    static void Count(DueReport due, string outcome) =>
        WakeMetrics.Reports.Add(1, new("kind", due.Kind.ToCamelCase()), new("outcome", outcome));

    static string Format(long number) => GitHubObservation.FormatNumber(number);

    sealed record Place(DueReport Due, GitHubRepository Home, long Number, GitHubClient Client, string Login)
    {
        public string Path => $"repos/{Home.FullName}";
    }

    abstract record Outcome
    {
        public sealed record Reported(long? CommentId, string Note) : Outcome;

        public sealed record Refused(string Why) : Outcome
        {
            public bool Deleted { get; init; }

            public bool Unsent { get; init; }
        }

        public sealed record Failed(string Why, DateTimeOffset? RetryAt) : Outcome;
    }
}
