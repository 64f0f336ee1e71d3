using System.Globalization;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using Wake.Producers.GitHub;

namespace Wake.Tests.Producing;

/// <summary>
/// What is told of merge states and of CI where nothing but deliveries tells of them, against a model and beside what
/// polls make of the same: whatever flickers, runs again or is pushed, in whichever order deliveries come, however
/// often, and whenever the process is killed.
/// </summary>
public sealed class TellingByDeliveriesAlone
{
    static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, default);

    // What happens, happens at even seconds: never in the moment in which something counts.
    static readonly TimeSpan Settle = TimeSpan.FromSeconds(31),
        PendingAfter = TimeSpan.FromSeconds(121);

    static readonly GitHubRepository Repository = new(GitHubRepository.Public, "octo-org/hello", Id: 1);

    static JsonElement Json(object thing) => JsonSerializer.SerializeToElement(thing);

    static string At(int seconds) =>
        Start.AddSeconds(seconds).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    /// <summary>A pull request is delivered, so many seconds after the delivery before.</summary>
    /// <param name="After">The seconds.</param>
    /// <param name="Push">Whether its head is another one by then.</param>
    /// <param name="State">Whether it can be merged.</param>
    /// <param name="Again">The one before is delivered once more behind it.</param>
    /// <param name="Dies">The process is killed once it has told of it.</param>
    sealed record Delivery(int After, bool Push, MergeState State, bool Again, bool Dies);

    static readonly Gen<(bool Opened, Delivery[] All)> Deliveries =
        from opened in Gen.Elements(true, false)
        from all in (
            from after in Gen.Elements(2, 8, 8, 16, 16, 40)
            from push in Gen.Frequency((9, Gen.Constant(false)), (1, Gen.Constant(true)))
            from state in Gen.Elements(Enum.GetValues<MergeState>())
            from again in Gen.Elements(true, false)
            from dies in Gen.Elements(true, false)
            from times in Gen.Choose(1, 5)
            select Enumerable.Repeat(new Delivery(after, push && times == 1, state, again, dies), times)
        ).ListOf()
        select (opened, all.SelectMany(x => x).ToArray());

    [Fact]
    public void Of_a_commit_that_the_last_open_pull_request_has_left_nobody_waits_for_checks()
    {
        var state = new WebhookCheckState();
        state.AddPull(1);
        state.AddPull(2);
        state.ClosePull(1);
        Assert.False(state.DeadlineSeen);

        state.RemovePull(2);

        Assert.True(state.DeadlineSeen);
    }

    [Fact]
    public void However_it_flickers_each_merge_state_that_stands_is_told_once_and_as_polls_tell_it() =>
        Prop.ForAll(
                Deliveries.ToArbitrary(),
                x =>
                {
                    var told = ToldByDeliveries(x.Opened, x.All);
                    return told.SequenceEqual(ToldByPolls(x.Opened, x.All))
                        && told.Select(y => $"{y.Type} {y.Head}").SequenceEqual(Expected(x.Opened, x.All))
                        && told.Distinct().Count() == told.Count;
                }
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(1000));

    static List<MergeStateChange> ToldByDeliveries(bool opened, Delivery[] all)
    {
        var (history, seconds, head) = (new MergeStateHistory().Begin(baseline: !opened), 0, 0);
        List<MergeStateChange> told = [];
        DateTimeOffset? due = null;
        JsonElement? before = null;
        var dies = false;
        foreach (var one in all)
        {
            PassTime(Start.AddSeconds(seconds + one.After));
            (seconds, head, dies) = (seconds + one.After, head + (one.Push ? 1 : 0), one.Dies);
            var pull = PullRequest(one.State, head, seconds);
            Apply(pull);
            if (one.Again && before is { } late)
                Apply(late);
            before = pull;
        }

        PassTime(Start.AddDays(1));
        return told;

        void Apply(JsonElement pull)
        {
            var at = Start.AddSeconds(seconds);
            var sha = pull.GetProperty("head").GetProperty("sha").GetString()!;
            if (WebhookMergeStates.ApplyDelivery(history, Repository, sha, pull, Settle, at) is var (now, wait))
                (history, due) = (Kept(now), at + wait);
        }

        void PassTime(DateTimeOffset until)
        {
            while (due is { } at && at <= until)
            {
                if (history.ToTell is { } change && !(told is [.., var last] && last == change))
                    told.Add(change);
                if (history.ToTell is not null && dies)
                {
                    // Nothing of it is saved, and the same is due for the next process.
                    dies = false;
                    continue;
                }

                var (now, wait) = WebhookMergeStates.Advance(history, Settle, at);
                (history, due) = (Kept(now), at + wait);
            }
        }
    }

    static MergeStateHistory Kept(MergeStateHistory history) => MergeStateHistory.FromJson(history.ToJson());

    static JsonElement PullRequest(MergeState state, int head, int seconds)
    {
        var (mergeable, name) = state switch
        {
            MergeState.Conflicted => ((bool?)false, "dirty"),
            MergeState.Behind => (true, "behind"),
            MergeState.Blocked => (true, "blocked"),
            MergeState.Mergeable => (true, "unstable"),
            MergeState.Ready => (true, "clean"),
            _ => (null, "unknown"),
        };
        return Json(
            new
            {
                number = 1,
                state = "open",
                mergeable,
                mergeable_state = name,
                updated_at = At(seconds),
                head = new { sha = $"{head}" },
            }
        );
    }

    // Each second, as GitHub shows it then.
    static List<MergeStateChange> ToldByPolls(bool opened, Delivery[] all)
    {
        var (history, seconds, head) = (new MergeStateHistory().Begin(baseline: !opened), 0, 0);
        List<MergeStateChange> told = [];
        for (var one = 0; one < all.Length; one++)
        {
            seconds += all[one].After;
            head += all[one].Push ? 1 : 0;
            var until = one + 1 < all.Length ? seconds + all[one + 1].After : seconds + 1000;
            for (var at = seconds; at < until; at++)
            {
                history = history.Observe(all[one].State, $"{head}", Start.AddSeconds(at));
                if (history.HasSettled(Settle, Start.AddSeconds(at)))
                    history = history.Count();
                if (history.ToTell is { } change)
                    told.Add(change);
                history = history with { ToTell = null };
            }
        }

        return told;
    }

    // From the whole at once: of each commit the stretches of one state, without what nobody knew. One counts that is
    // known to stand after long enough.
    static IEnumerable<string> Expected(bool opened, Delivery[] all)
    {
        var (seconds, head) = (0, 0);
        List<(int Head, MergeState State, int From, int Until)> seen = [];
        for (var one = 0; one < all.Length; one++)
        {
            seconds += all[one].After;
            head += all[one].Push ? 1 : 0;
            seen.Add(
                (head, all[one].State, seconds, one + 1 < all.Length ? seconds + all[one + 1].After : int.MaxValue)
            );
        }

        seen.RemoveAll(x => x.State is MergeState.Unknown);
        List<(int Head, MergeState State)> stood = [];
        for (var first = 0; first < seen.Count; )
        {
            var stretch = seen.Skip(first)
                .TakeWhile(x => (x.Head, x.State) == (seen[first].Head, seen[first].State))
                .ToList();
            if (stretch.Exists(x => x.Until - stretch[0].From > Settle.TotalSeconds))
                stood.Add((stretch[0].Head, stretch[0].State));
            first += stretch.Count;
        }

        // Of one that was there before, what it began with is no news.
        for (var one = opened ? 0 : 1; one < stood.Count; one++)
        {
            var (now, before) = (stood[one], one == 0 ? default : stood[one - 1]);
            var hindered = before.State is MergeState.Conflicted or MergeState.Behind or MergeState.Blocked;
            var isNews = now.State switch
            {
                MergeState.Mergeable => hindered,
                MergeState.Conflicted or MergeState.Ready => now != before,
                _ => now.State != before.State,
            };
            if (isNews)
            {
                var name = now.State is MergeState.Mergeable ? "unblocked" : $"{now.State}".ToLowerInvariant();
                yield return $"{name} {now.Head}";
            }
        }
    }

    enum What
    {
        End,
        RerunByHand,
        Push,
        Redeliver,
    }

    /// <summary>One thing that happens, so many seconds after the one before.</summary>
    /// <param name="After">The seconds.</param>
    /// <param name="What">It.</param>
    /// <param name="Red">Which checks end red, as bits; of a delivery that comes again, which.</param>
    /// <param name="Order">In which order its deliveries come.</param>
    /// <param name="Dies">The process is killed once it has told of it.</param>
    sealed record Step(int After, What What, int Red, int Order, bool Dies);

    static readonly Gen<Step[]> Steps = (
        from after in Gen.Frequency((6, Gen.Elements(2, 10, 20)), (5, Gen.Constant(40)), (1, Gen.Constant(150)))
        from what in Gen.Frequency(
            (6, Gen.Constant(What.End)),
            (4, Gen.Constant(What.RerunByHand)),
            (2, Gen.Constant(What.Redeliver)),
            (1, Gen.Constant(What.Push))
        )
        from red in Gen.Elements(0, 0, 1, 1, 2, 3)
        from order in Gen.Choose(0, 1000)
        from dies in Gen.Frequency((4, Gen.Constant(false)), (1, Gen.Constant(true)))
        select new Step(after, what, red, order, dies)
    )
        .ListOf(16)
        .Select(x => x.ToArray());

    [Fact]
    public void However_it_goes_each_sum_of_the_checks_that_stands_is_told_once_with_the_key_of_a_poll() =>
        Prop.ForAll(
                Arb.From(
                    Steps,
                    x => Enumerable.Range(0, x.Length).Select(left => x.Where((_, at) => at != left).ToArray())
                ),
                x =>
                {
                    var world = new World();
                    foreach (var step in x)
                        world.Take(step);
                    world.PassTime(1000);
                    Assert.Equal(world.Expected, world.Told);
                    return true;
                }
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(1000));

    /// <summary>A pull request and its CI as they are, what deliveries make of them, and what is to be told.</summary>
    sealed class World
    {
        static readonly string[] Checks = ["build", "test"];

        readonly Dictionary<int, WebhookCheckState> states = [];
        readonly Dictionary<int, TimeSpan> due = [];
        readonly HashSet<string> keys = [];
        readonly HashSet<string> expectedKeys = [];
        readonly List<(string Name, JsonElement Item)> delivered = [];

        // What GitHub's API shows of the head.
        readonly JsonElement[] checks = new JsonElement[Checks.Length];
        JsonElement run;
        int seconds,
            head,
            attempt,
            running,
            lastDelivery;
        int? red;
        long ids;
        bool dies;
        string said = "";

        public World()
        {
            Push();
        }

        public List<string> Told { get; } = [];

        public List<string> Expected { get; } = [];

        WebhookCheckState State => states[head];

        // No check has the id of a suite.
        long Suite => 1_000_000 + head;

        public void Take(Step step)
        {
            PassTime(step.After);
            dies = step.Dies;
            switch (step.What)
            {
                case What.End when red is null:
                    (var failing, red) = (running & step.Red, running & step.Red);
                    Deliver(
                        step.Order,
                        [
                            .. Checks
                                .Index()
                                .Where(x => (running & (1 << x.Index)) != 0)
                                .Select(x => Check(x.Index, (failing & (1 << x.Index)) != 0 ? "failure" : "success")),
                            Run(failing != 0 ? "failure" : "success"),
                        ]
                    );
                    running = 0;
                    break;
                case What.RerunByHand when red > 0:
                    (running, red, attempt) = (red.Value, null, attempt + 1);
                    Begin(step.Order);
                    break;
                case What.Push:
                    Push();
                    break;
                // Whatever GitHub sends again, or late.
                case What.Redeliver:
                    Apply(delivered[step.Order % delivered.Count]);
                    break;
            }
        }

        void Push()
        {
            if (head > 0)
                State.RemovePull(1);
            (head, attempt, running, red, said) = (head + 1, 1, 3, null, "");
            delivered.Clear();
            states[head] = new();
            State.AddPull(1);
            Begin(order: 0);
        }

        void Begin(int order) =>
            Deliver(
                order,
                [
                    .. Enumerable
                        .Range(0, Checks.Length)
                        .Where(x => (running & (1 << x)) != 0)
                        .Select(x =>
                        {
                            checks[x] = default;
                            return Check(x, null);
                        }),
                    Run(null),
                ]
            );

        (string, JsonElement) Check(int which, string? conclusion)
        {
            var id =
                checks[which].ValueKind is JsonValueKind.Object ? checks[which].GetProperty("id").GetInt64() : ++ids;
            checks[which] = Json(
                new
                {
                    id,
                    name = Checks[which],
                    head_sha = $"{head}",
                    status = conclusion is null ? "in_progress" : "completed",
                    conclusion,
                    started_at = At(seconds),
                    completed_at = conclusion is null ? null : At(seconds),
                    app = new { slug = "github-actions" },
                    check_suite = new { id = Suite },
                }
            );
            return ("check_run", checks[which]);
        }

        (string, JsonElement) Run(string? conclusion)
        {
            run = Json(
                new
                {
                    id = (long)head,
                    name = "CI",
                    workflow_id = 6,
                    @event = "push",
                    head_sha = $"{head}",
                    check_suite_id = Suite,
                    run_attempt = attempt,
                    status = conclusion is null ? "in_progress" : "completed",
                    conclusion,
                    run_started_at = At(seconds),
                    updated_at = At(seconds),
                }
            );
            return ("workflow_run", run);
        }

        void Deliver(int order, (string, JsonElement)[] all)
        {
            new Random(order).Shuffle(all);
            foreach (var one in all)
                Apply(one);
            delivered.AddRange(all);

            // Once all of it has come.
            var polled = CiRollup.Aggregate(
                checks,
                [],
                new Dictionary<long, string> { [Suite] = "6/push" },
                [WorkflowRun.Parse(run)!],
                CiRules.None
            );
            Assert.Equal(polled.Sum.Fingerprint, State.Rollup(CiRules.None).Sum.Fingerprint);
        }

        void Apply((string Name, JsonElement Item) one)
        {
            State.Apply(one.Name, one.Item, Json(new { repository = new { id = 1 } }));
            var kept = JsonSerializer.Deserialize<WebhookCheckState>(JsonSerializer.Serialize(State))!;
            states[head] = kept;
            lastDelivery = seconds;
            if (kept.ReportedIn(CiRules.None, Settle, PendingAfter) is { } wait)
                due[head] = TimeSpan.FromSeconds(seconds) + wait;
            else
                due.Remove(head);
        }

        public void PassTime(int more)
        {
            seconds += more;
            Expect();
            foreach (var (sha, at) in due.Where(x => x.Value.TotalSeconds <= seconds).OrderBy(x => x.Value).ToList())
            {
                due.Remove(sha);
                var state = states[sha];
                for (var again = dies; ; again = false)
                {
                    var sum = state.Rollup(CiRules.None).Sum;
                    if (!state.IsUnreported(sum, CiRules.None))
                        break;

                    // Of a commit that was left nobody is woken. The intake takes a key once.
                    if (!(state.Left && state.Pulls.Count == 0) && keys.Add($"{sha} {sum.Fingerprint}"))
                        Told.Add($"{sha} {sum.State}");
                    // Killed before that is saved.
                    if (again)
                        continue;
                    state.MarkReported(sum);
                    break;
                }
            }
        }

        // What has stood for long enough since the last word on it.
        void Expect()
        {
            // What runs has only its name: pending once more, it is no news.
            var ended = red is not null;
            var ids = checks.Select((x, at) => (running & (1 << at)) != 0 ? 0 : x.GetProperty("id").GetInt64());
            var now = $"{head} {string.Join(' ', ids)}";
            if (seconds - lastDelivery <= (ended ? Settle : PendingAfter).TotalSeconds || said == now)
                return;

            said = now;
            if (expectedKeys.Add(now))
                Expected.Add($"{head} {(!ended ? "pending" : red > 0 ? "failure" : "success")}");
        }
    }
}
