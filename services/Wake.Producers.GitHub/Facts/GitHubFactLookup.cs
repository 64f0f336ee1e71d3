using System.Text.Json;
using Microsoft.Extensions.Caching.Memory;
using Wake.Producing;
using Wake.Store;

namespace Wake.Producers.GitHub;

/// <summary>What is asked of GitHub for one turn: everything once, whatever the number of its events.</summary>
/// <param name="clients">Those that ask.</param>
/// <param name="options">What is said of checks.</param>
/// <param name="answers">What was answered before, with its ETags.</param>
/// <param name="time">The clock.</param>
sealed class GitHubFactLookup(GitHubClients clients, GitHubOptions options, MemoryCache answers, TimeProvider time)
{
    // Of what comes after them it is said that nobody knows.
    const int MaxRequests = 10;

    // What an account may read changes seldom.
    static readonly TimeSpan AskAgainAfter = TimeSpan.FromHours(1);

    readonly Dictionary<(string Repository, string Path), GitHubResponse> seen = [];
    int left = MaxRequests;

    /// <summary>Whether the event of a question is still so, and what has become of it or why nobody knows.</summary>
    /// <exception cref="OperationCanceledException">There is no time left.</exception>
    public async Task<(FactAnswer Answer, string? Reason)> Answer(FactQuestion question, CancellationToken cancel)
    {
        try
        {
            return
                GitHubRepository.FromSubject(question.Subject) is { } repository
                && clients.AccountOf(repository) is { } account
                ? await LookUp(new(question, repository, clients.ClientOf(account)), cancel)
                : Unknown("no account reads this repository");
        }
        catch (GitHubUnavailableException unavailable)
        {
            return Unknown(unavailable.Message.TrimEnd('.'));
        }
    }

    Task<(FactAnswer, string?)> LookUp(Asked asked, CancellationToken cancel) =>
        asked.Question.Type switch
        {
            // Nothing ends these.
            "github.pull_request.merged" => Task.FromResult(Holds),
            _ when asked.Question.Type.StartsWith("github.pull_request.", StringComparison.Ordinal) => AnswerPull(
                asked,
                cancel
            ),
            _ when asked.Question.Type.StartsWith("github.issue.", StringComparison.Ordinal) => AnswerIssue(
                asked,
                cancel
            ),
            _ => AnswerChecks(asked, cancel),
        };

    async Task<(FactAnswer, string?)> AnswerPull(Asked asked, CancellationToken cancel)
    {
        if (asked.Number is not { } number || await Read(asked, $"pulls/{number}", cancel) is not { } pull)
            return Unknown("GitHub does not show the pull request");

        var comment = asked.Kind switch
        {
            "comment_created" => $"issues/comments/{asked.Id("commentId")}",
            "review_comment_created" => $"pulls/comments/{asked.Id("commentId")}",
            "review_submitted" => $"pulls/{number}/reviews/{asked.Id("reviewId")}",
            _ => null,
        };
        if (comment is not null)
            return await AnswerComment(asked, pull, "the pull request", comment, cancel);

        if (asked.Kind is not "closed" && Ending(pull, "the pull request", asked.ObservedAt) is { } ended)
            return NoLonger(ended);

        if (asked.Kind is "conflicted" or "behind" or "blocked" or "ready" or "unblocked")
        {
            return (asked.Kind, MergeStates.Of(pull)) switch
            {
                (_, MergeState.Unknown) => Unknown("GitHub does not say now whether it can be merged"),
                ("conflicted", not MergeState.Conflicted) => HoldsUnless("the pull request no longer conflicts", asked),
                ("behind", not MergeState.Behind) => HoldsUnless("the pull request is no longer behind", asked),
                ("blocked", not MergeState.Blocked) => HoldsUnless("the pull request is no longer blocked", asked),
                ("ready", not MergeState.Ready) => HoldsUnless("the pull request is no longer ready", asked),
                ("unblocked", MergeState.Blocked) => HoldsUnless("the pull request is blocked again", asked),
                _ => Holds,
            };
        }

        var changed = asked.Kind switch
        {
            "closed" => pull.Text("state") == "open" ? "the pull request is open again" : null,
            "synchronized" => pull.Text("head", "sha") is { } head && asked.Text("head") is { } told && head != told
                ? "the pull request has a newer commit"
                : null,
            "ready_for_review" => pull.Flag("draft") ? "the pull request is a draft again" : null,
            _ => null,
        };
        return HoldsUnless(changed, asked);
    }

    async Task<(FactAnswer, string?)> AnswerIssue(Asked asked, CancellationToken cancel)
    {
        if (asked.Number is not { } number || await Read(asked, $"issues/{number}", cancel) is not { } issue)
            return Unknown("GitHub does not show the issue");

        if (asked.Kind is "comment_created")
            return await AnswerComment(asked, issue, "the issue", $"issues/comments/{asked.Id("commentId")}", cancel);

        if (asked.Kind is "closed")
            return HoldsUnless(issue.Text("state") == "open" ? "the issue is open again" : null, asked);

        return Ending(issue, "the issue", asked.ObservedAt) is { } ended ? NoLonger(ended) : Holds;
    }

    // What somebody has written: it is there, and was not written to what had ended already.
    async Task<(FactAnswer, string?)> AnswerComment(
        Asked asked,
        JsonElement item,
        string called,
        string path,
        CancellationToken cancel
    )
    {
        if (path.EndsWith('/'))
            return Unknown("the event does not say which comment");

        var found = await Find(asked, path, cancel);
        if (found is GitHubResponse.NotFound && asked.Kind is not "review_submitted")
            return HoldsUnless("the comment is deleted", asked);
        if (found is not GitHubResponse.Success { Body: var written })
            return Unknown("GitHub does not show what was written");

        var at = written.Time("submitted_at") ?? written.Time("created_at") ?? asked.ObservedAt;
        var gone =
            Ending(item, called, at)
            ?? (
                asked.Kind is "review_submitted"
                && string.Equals(written.Text("state"), "dismissed", StringComparison.OrdinalIgnoreCase)
                    ? "the review is dismissed"
                    : null
            );
        return gone is null ? Holds : NoLonger(gone);
    }

    async Task<(FactAnswer, string?)> AnswerChecks(Asked asked, CancellationToken cancel)
    {
        if (asked.Sha is not { } sha)
            return Unknown("the event names no commit");

        // Of several pull requests one that still waits for these checks is enough.
        var related = asked.RelatedNumbers.ToList();
        List<string> over = [];
        List<string> moved = [];
        foreach (var number in related)
        {
            if (await Read(asked, $"pulls/{number}", cancel) is not { } pull)
                continue;
            if (Ending(pull, "the pull request", asked.ObservedAt) is { } ended)
                over.Add(ended);
            else if (pull.Text("head", "sha") is { } head && head != sha)
                moved.Add("the pull request has a newer commit");
        }

        if (related.Count > 0 && over.Count + moved.Count == related.Count)
            return moved is [] ? NoLonger(over[0]) : HoldsUnless(moved[0], asked);

        return asked.Text("conclusion") is "failure" ? HoldsUnless(await Mended(asked, sha, cancel), asked) : Holds;
    }

    // What has become of a failure; null when it stands.
    async Task<string?> Mended(Asked asked, string sha, CancellationToken cancel) =>
        asked.Question.Type switch
        {
            GitHubFacts.CiCompleted => await AreGreen(asked, sha, cancel) ? "the checks are green by now" : null,
            GitHubFacts.RunCompleted => asked.Id("runId") is { } run
            && await Read(asked, $"actions/runs/{run}", cancel) is { } now
            && now.Text("status") == "completed"
            && now.Text("conclusion") == "success"
                ? "the run has succeeded by now"
                : null,
            _ => null,
        };

    async Task<bool> AreGreen(Asked asked, string sha, CancellationToken cancel)
    {
        var checks = await ReadChecks(asked, sha, cancel);
        var statuses = await Read(asked, $"commits/{sha}/status?per_page=100", cancel);
        if (checks is null && statuses is null)
            return false;

        var runs = (
            await Read(asked, $"actions/runs?head_sha={sha}&per_page=100", cancel) is { } list
                ? list.Items("workflow_runs")
                : []
        ).ToList();
        Dictionary<long, string> suites = [];
        runs.ForEach(x => WorkflowRun.AddOrigin(suites, x));

        return CiRollup.Aggregate(
            checks is { } all ? all.Items("check_runs") : [],
            statuses is { } said ? said.Items("statuses") : [],
            suites,
            runs.Select(WorkflowRun.Parse).OfType<WorkflowRun>(),
            options.Rules(asked.Repository)
        )
            is CiRollup.Finished { State: "success" };
    }

    // A token with fine-grained permissions may not read them. Then the runs of workflows have to do.
    async Task<JsonElement?> ReadChecks(Asked asked, string sha, CancellationToken cancel)
    {
        var forbidden = (asked.Repository.Subject, "check-runs");
        if (answers.TryGetValue(forbidden, out _))
            return null;

        var found = await Find(asked, $"commits/{sha}/check-runs?filter=latest&per_page=100", cancel);
        if (found is GitHubResponse.Forbidden)
            answers.Set(forbidden, true, new MemoryCacheEntryOptions { Size = 1 }.SetAbsoluteExpiration(AskAgainAfter));
        return (found as GitHubResponse.Success)?.Body;
    }

    // Null: it is not there, or not for this account.
    async Task<JsonElement?> Read(Asked asked, string path, CancellationToken cancel) =>
        (await Find(asked, path, cancel) as GitHubResponse.Success)?.Body;

    async Task<GitHubResponse> Find(Asked asked, string path, CancellationToken cancel)
    {
        var (name, key) = (asked.Repository.FullName, (asked.Repository.Subject, path));
        if (seen.TryGetValue(key, out var known))
            return known;
        if (left-- <= 0)
            throw new GitHubUnavailableException("The turn is about more than is asked for");

        var before = answers.Get<GitHubResponse.Success>(key);
        var answer = await asked.Client.Get($"repos/{name}/{path}", name, before?.ETag, JsonValueKind.Object, cancel);
        if (answer is GitHubResponse.NotModified)
            answer = before!;
        else if (answer is GitHubResponse.Success found)
        {
            // Of a list that goes on nothing is known.
            if (found.Next is not null)
                throw new GitHubUnavailableException("There are more checks than are looked at");
            // An issue that has moved into another repository is not the one that was told of.
            if (!found.Path.EndsWith($"/{path.Split('?')[0]}", StringComparison.Ordinal))
                answer = new GitHubResponse.Forbidden();
            else if (found.ETag is not null)
                answers.Set(key, found, new MemoryCacheEntryOptions { Size = found.Body.GetRawText().Length });
        }

        return seen[key] = answer;
    }

    // GitHub's replicas lag: for a while one may not know yet what was told.
    (FactAnswer, string?) HoldsUnless(string? changed, Asked asked) =>
        changed is null ? Holds
        : time.GetUtcNow() - asked.Question.ObservedAt < RepositoryReader.ReplicaLag
            ? Unknown("GitHub may not know yet what has only just happened")
        : NoLonger(changed);

    static (FactAnswer, string?) Holds => (FactAnswer.Holds, null);

    static (FactAnswer, string?) NoLonger(string reason) => (FactAnswer.NoLonger, reason);

    static (FactAnswer, string?) Unknown(string reason) => (FactAnswer.Unknown, reason);

    // What has happened since a thing was merged or closed is news of it all the same. Who closes with a comment does
    // both in one second.
    static string? Ending(JsonElement item, string called, DateTimeOffset happened) =>
        item.Text("state") != "closed"
        || (item.Time("merged_at") ?? item.Time("closed_at")) is not { } ended
        || happened >= ended
            ? null
        : item.Has("merged_at") ? $"{called} is merged"
        : $"{called} is closed";

    sealed record Asked(FactQuestion Question, GitHubRepository Repository, GitHubClient Client)
    {
        /// <summary>The last part of the type.</summary>
        public string Kind => Question.Type[(Question.Type.LastIndexOf('.') + 1)..];

        // GitHub's times have whole seconds.
        public DateTimeOffset ObservedAt => Question.ObservedAt - TimeSpan.FromSeconds(1);

        public long? Number => WatchedRepository.NumberOf(Question.Subject);

        public string? Sha => WatchedRepository.CommitOf(Question.Subject);

        public IEnumerable<long> RelatedNumbers =>
            from related in Question.Related
            where related.StartsWith($"{Repository.Subject}#", StringComparison.Ordinal)
            select WatchedRepository.NumberOf(related) into number
            where number is not null
            select number.Value;

        public string? Text(string field) => Question.Details.Text(field);

        // Digits: it becomes a part of a path.
        public string? Id(string field) =>
            Question.Details.Number(field) is { } number ? GitHubObservation.FormatNumber(number) : null;
    }
}
