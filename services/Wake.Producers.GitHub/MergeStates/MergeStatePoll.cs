using System.Text.Json;
using Wake.Producing;
using Wake.ServiceDefaults;

namespace Wake.Producers.GitHub;

/// <summary>
/// The part of a look that is about whether pull requests could be merged. Where they are asked for one by one anyway,
/// it costs nothing more; where only their list is read, one is asked for when something says that it may have moved.
/// </summary>
sealed class MergeStatePoll(
    WatchedRepository watched,
    RepositoryState state,
    RepositoryReader pages,
    GitHubObservation seen,
    GitHubClient client,
    MergeStatePoll.Policy policy,
    Func<IReadOnlyList<EventMapping>, Task> publishAndSave
)
{
    // A merge moves the branch of all others. The rest is asked for at the next looks.
    const int MaxQuestionsPerPoll = 25;

    // More than a few are asked for fifty in a question, whose limit is another one. It counts also where nothing has
    // changed, so few are not.
    const int MaxIndividualQuestions = 3,
        PullsPerQuery = 50,
        MaxPullsPerPoll = 1000;

    static readonly TimeSpan ShortestWait = TimeSpan.FromSeconds(1),
        QueryRetryAfter = TimeSpan.FromMinutes(10);

    /// <param name="Store">Where what became of merge states is kept.</param>
    /// <param name="Settle">How long one must have stood.</param>
    public sealed record Policy(MergeStateStore Store, TimeSpan Settle);

    readonly HashSet<long> looked = [],
        begun = [],
        moved = [];
    readonly HashSet<string> movedBranches = [];
    Dictionary<long, MergeStateHistory>? histories;

    /// <summary>A watch of it begins: the state that it is in is no news.</summary>
    public void Begin(long number) => begun.Add(number);

    /// <summary>It is different from before, and a list does not say how.</summary>
    public void MayHaveMoved(long number) => moved.Add(number);

    /// <summary>Something was merged into this branch.</summary>
    public void BranchMoved(string? branch)
    {
        if (branch is not null)
            movedBranches.Add(branch);
    }

    /// <summary>Takes in a pull request as it is now. Before its ETag is kept, or what it says could be lost.</summary>
    public async Task Observe(JsonElement pull, CancellationToken cancel)
    {
        if (
            pull.Number("number") is not { } number
            || pull.Text("head", "sha") is not { } head
            || pull.Text("state") == "closed"
            // A copy that lags behind shows what was.
            || pull.Time("updated_at") < state.Pulls.GetValueOrDefault(number)?.UpdatedAt
        )
            return;

        var known = (await Histories(cancel)).GetValueOrDefault(number);
        if (begun.Remove(number) || known is null)
        {
            // One that was opened later than it was waited for begins with nothing.
            var since = state.Pulls.GetValueOrDefault(number)?.Since;
            known = (known ?? new()).Begin(baseline: !(pull.Time("created_at") >= since));
        }

        looked.Add(number);
        var now = known.Observe(MergeStates.Of(pull), head, pages.ServerTime);

        // Who does not tell it at all need not be asked again.
        if (pull.At("mergeable_state").ValueKind is JsonValueKind.Undefined)
            now = now with { AskAt = null };
        await Save(number, WithChecks(now), cancel);
    }

    /// <summary>GitHub says that nothing has changed: what was seen still stands, and what was unknown still
    /// is.</summary>
    public async Task Confirm(long number, CancellationToken cancel)
    {
        if ((await Histories(cancel)).GetValueOrDefault(number) is not { Head: { } head } known)
            return;

        looked.Add(number);
        var again = known switch
        {
            { Unanswered: > 0, AskAt: null } => known,
            { Unanswered: > 0 } => known.Observe(MergeState.Unknown, head, pages.ServerTime),
            _ => known.Observe(known.Seen, head, pages.ServerTime),
        };
        await Save(number, WithChecks(again), cancel);
    }

    public async Task PollMergeStates(IReadOnlyCollection<string> requested, CancellationToken cancel)
    {
        var open = state.Pulls.Where(x => x.Value is { ClosedAt: null, Head: not null }).Select(x => x.Key).ToList();
        if (open.Count == 0)
            return;

        var known = await Histories(cancel);
        var many = open.Where(x => !looked.Contains(x) && IsInQuestion(x)).Take(MaxPullsPerPoll).ToList();
        if (many.Count > MaxIndividualQuestions && state.QueryFailedUntil <= pages.ServerTime)
            await LookAtMany(many, cancel);
        var questions = 0;
        foreach (var number in open.Where(x => !looked.Contains(x) && IsInQuestion(x)).OrderBy(WaitsSince).ToList())
        {
            if (questions++ < MaxQuestionsPerPoll)
                await Look(number, cancel);
            else if (known.GetValueOrDefault(number) is { AskAt: null } later)
                await Save(number, later with { AskAt = pages.ServerTime }, cancel);
        }

        foreach (var number in open.Where(x => looked.Contains(x) || known.GetValueOrDefault(x)?.ToTell is not null))
            await Tell(number, cancel);

        state.NextMergeStateLook = open.Select(x => WaitOf(known.GetValueOrDefault(x))).Min();

        // Those that no look has got to come first: some are in question for as long as they have no checks.
        DateTimeOffset WaitsSince(long number) =>
            known.GetValueOrDefault(number) is { } history
                ? history.AskAt ?? DateTimeOffset.MaxValue
                : DateTimeOffset.MinValue;

        bool IsInQuestion(long number)
        {
            var (pull, history) = (state.Pulls[number], known.GetValueOrDefault(number));
            return history is null
                || begun.Contains(number)
                || moved.Contains(number)
                || (pull.Base is { } branch && IsMoved(branch))
                || requested.Contains(watched.Repository.Item(number))
                || history.Head != pull.Head
                || history.Checks != ChecksOf(pull.Head)?.Said
                || history.AskAt <= pages.ServerTime
                || history.HasSettled(policy.Settle, pages.ServerTime);
        }

        bool IsMoved(string branch) =>
            movedBranches.Contains(branch) || requested.Contains(watched.Repository.Ref($"refs/heads/{branch}"));
    }

    // What is not answered, or by a copy that lags behind, is asked for by itself.
    async Task LookAtMany(IEnumerable<long> numbers, CancellationToken cancel)
    {
        var names = watched.Repository.FullName.Split('/');
        foreach (var some in numbers.Chunk(PullsPerQuery))
        {
            var answer = await client.Query(
                MergeStates.QueryMany(some),
                new { owner = names[0], name = names[1] },
                watched.Repository.FullName,
                cancel
            );
            if (answer.At("repository").ValueKind is not JsonValueKind.Object)
            {
                state.QueryFailedUntil = pages.ServerTime + QueryRetryAfter;
                return;
            }

            foreach (var pull in MergeStates.AsRest(answer.At("repository")))
                await Observe(pull, cancel);
            await publishAndSave([]);
        }
    }

    async Task Look(long number, CancellationToken cancel)
    {
        var (path, first) = (
            $"pulls/{number}",
            !(await Histories(cancel)).ContainsKey(number) || begun.Contains(number)
        );
        switch (await pages.GetFirstPage(path, JsonValueKind.Object, cancel, ignoreETag: first))
        {
            case GitHubResponse.Success found:
                await Observe(found.Body, cancel);
                pages.SaveETag(path, found.ETag);
                await publishAndSave([]);
                break;
            case GitHubResponse.NotModified:
                await Confirm(number, cancel);
                break;
        }
    }

    async Task Tell(long number, CancellationToken cancel)
    {
        var known = (await Histories(cancel))[number];
        var counted = known;
        if (known.ToTell is null)
        {
            if (!known.HasSettled(policy.Settle, pages.ServerTime) || !MayCount(known))
                return;

            // Who waits for CI waits in vain where a conflict keeps it from running, also with one that was there
            // before.
            counted = known.Count(
                tellBaseline: known.Seen is MergeState.Conflicted && ChecksOf(known.Head) is { Done: true, Empty: true }
            );
        }

        if (counted.ToTell is not { } change)
        {
            await Save(number, counted, cancel);
            return;
        }

        // What it is called, and whether it is still so.
        if (
            await pages.GetFirstPage($"pulls/{number}", JsonValueKind.Object, cancel, ignoreETag: true)
            is not GitHubResponse.Success { Body: var pull }
        )
            return;
        if (known.ToTell is null && (MergeStates.Of(pull) != known.Seen || pull.Text("head", "sha") != known.Head))
        {
            await Observe(pull, cancel);
            return;
        }

        await Save(number, counted, cancel);
        var checks = ChecksOf(change.Head);
        var why = change.Type is "blocked"
            ? await MergeBlockers.Ask(client, watched.Repository, number, checks?.Sum, cancel)
            : null;
        await publishAndSave([GitHubEvents.MergeState(seen with { Baseline = change.Baseline }, pull, change, why)]);
        WakeMetrics.MergeStateChanges.Add(1, new KeyValuePair<string, object?>("state", change.Type));
        await Save(number, counted with { ToTell = null }, cancel);
    }

    // While checks run, the rules of a branch are not met, and nobody needs to be told so. A conflict is one anyway.
    bool MayCount(MergeStateHistory history) =>
        (history.Seen, ChecksOf(history.Head)) switch
        {
            (MergeState.Conflicted, { Done: false, Empty: true }) => !history.Baseline,
            (MergeState.Conflicted or MergeState.Behind, _) => true,
            (MergeState.Ready, { Done: false, Empty: true }) => false,
            // Nobody is told what a watch begins with; what it becomes is news from then on.
            _ when history.Baseline => true,
            (_, null or { Done: true } or { SaidOpen.Count: > 0 }) => true,
            _ => false,
        };

    TimeSpan? WaitOf(MergeStateHistory? history) =>
        history switch
        {
            { AskAt: { } at } => Until(at),
            { IsOpen: true } when MayCount(history) => Until(history.Since + policy.Settle),
            _ => null,
        };

    // What should have come by now and has not waits for the ordinary look.
    TimeSpan? Until(DateTimeOffset at) =>
        at - pages.ServerTime is var wait && wait <= TimeSpan.Zero ? null
        : wait > ShortestWait ? wait
        : ShortestWait;

    CommitState? ChecksOf(string? head) => head is null ? null : state.Commits.GetValueOrDefault(head);

    MergeStateHistory WithChecks(MergeStateHistory history) => history with { Checks = ChecksOf(history.Head)?.Said };

    // Also those of closed ones: one that is reopened goes on from what was told of it.
    async Task<Dictionary<long, MergeStateHistory>> Histories(CancellationToken cancel) =>
        histories ??= await policy.Store.Load(watched.Repository.Subject, state.Pulls.Keys, cancel);

    async Task Save(long number, MergeStateHistory history, CancellationToken cancel)
    {
        var known = await Histories(cancel);
        if (known.GetValueOrDefault(number) == history)
            return;

        await policy.Store.Save(watched.Repository.Subject, number, history, cancel);
        known[number] = history;
    }
}
