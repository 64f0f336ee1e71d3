using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Wake.Producers.GitHub;
using Wake.ServiceDefaults;
using Wake.Store;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>
/// What is told of CI where failed jobs are rerun first, against a model of it: whatever fails, passes, is rerun or
/// pushed, whenever it is polled, whichever deliveries come late, and whenever the process is killed.
/// </summary>
public sealed class TellingAfterReruns(TestStore store) : IClassFixture<TestStore>, IAsyncLifetime
{
    static readonly TimeSpan Settle = TimeSpan.FromSeconds(30),
        Patience = TimeSpan.FromSeconds(120);

    static readonly string[] Checks = ["build", "test"];

    static readonly string First = LoopbackGitHub.Sha(1);

    static readonly GitHubRepository Repository = new(GitHubRepository.Public, "octo-org/hello", Id: 1);

    LoopbackGitHub github = null!;
    GitHubClient client = null!;
    JobLogs logs = null!;
    GitHubOptions options = null!;

    enum What
    {
        Poll,
        PollAndDie,
        End,
        RerunByHand,
        Deliver,
        Push,
    }

    /// <summary>What comes of asking for a rerun.</summary>
    enum Rerun
    {
        Begins,
        Refused,
        NeverBegins,
        NeverEnds,
    }

    /// <summary>One thing that happens, so many seconds after the one before.</summary>
    /// <param name="After">The seconds.</param>
    /// <param name="What">It.</param>
    /// <param name="Red">Which checks end red, as bits.</param>
    /// <param name="Rerun">What comes of asking for a rerun of what is pushed.</param>
    /// <param name="Ended">Of a delivery: which of the ends so far it tells of, the last first.</param>
    sealed record Step(int After, What What, int Red = 0, Rerun Rerun = default, int Ended = 0);

    // Often red, and rarely for so long that nothing more is waited for.
    static readonly Gen<Step[]> Steps = (
        from after in Gen.Frequency((6, Gen.Elements(1, 10, 20)), (5, Gen.Constant(40)), (1, Gen.Constant(150)))
        from what in Gen.Frequency(
            (8, Gen.Constant(What.Poll)),
            (2, Gen.Constant(What.PollAndDie)),
            (6, Gen.Constant(What.End)),
            (2, Gen.Constant(What.RerunByHand)),
            (2, Gen.Constant(What.Deliver)),
            (1, Gen.Constant(What.Push))
        )
        from red in Gen.Elements(0, 0, 1, 1, 2, 3)
        from rerun in Gen.Frequency(
            (6, Gen.Constant(Rerun.Begins)),
            (1, Gen.Constant(Rerun.Refused)),
            (1, Gen.Constant(Rerun.NeverBegins)),
            (1, Gen.Constant(Rerun.NeverEnds))
        )
        from ended in Gen.Choose(0, 2)
        select new Step(after, what, red, rerun, ended)
    )
        .ListOf(16)
        .Select(x => x.ToArray());

    public async Task InitializeAsync()
    {
        await SqlMigrations.Apply(store.Database, typeof(GitHubServices).Assembly, CancellationToken.None);
        github = await LoopbackGitHub.Start();
        options = new()
        {
            Accounts = new Dictionary<string, GitHubAccount>
            {
                ["main"] = new() { Api = github.Url, Token = "ghp_secret" },
            },
            OwnLogins = ["octocat"],
        };
        var backoff = new RateLimitBackoff(store.Database);
        client = new(options.Accounts["main"], options, backoff, TimeProvider.System, NullLogger.Instance);
        // Without an account nobody reads logs.
        logs = new(
            new(Options.Create(new GitHubOptions()), backoff, TimeProvider.System, NullLogger<GitHubClient>.Instance),
            NullLogger<JobLogs>.Instance
        );
    }

    public async Task DisposeAsync()
    {
        client.Dispose();
        await github.DisposeAsync();
    }

    // A sequence that fails is shown with its seed, without the steps that it fails without.
    [Fact]
    public void However_it_goes_each_sum_that_stands_is_told_once_and_a_flaky_one_as_green() =>
        Prop.ForAll(
                Arb.From(Steps, x => Enumerable.Range(0, x.Length).Select(left => Without(x, left))),
                x =>
                {
                    Task.Run(() => Holds(x)).GetAwaiter().GetResult();
                    return true;
                }
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(1000));

    [Fact]
    public async Task A_run_that_fails_once_its_checks_were_told_as_pending_is_withheld_too() =>
        Assert.Equal(
            [$"{First} pending", $"{First} success"],
            await Holds([
                new(1, What.Poll),
                new(150, What.Poll),
                new(1, What.End, Red: 1),
                new(1, What.Poll),
                new(40, What.Poll),
                new(1, What.End),
                new(40, What.Poll),
                new(1, What.Deliver, Ended: 1),
            ])
        );

    [Fact]
    public async Task A_rerun_that_hangs_is_told_though_its_checks_were_told_as_pending_before() =>
        Assert.Equal(
            [$"{First} pending", $"{First} pending"],
            await Holds([
                new(1, What.Poll, Rerun: Rerun.NeverEnds),
                new(150, What.Poll),
                new(1, What.End, Red: 3),
                new(40, What.Poll),
                new(150, What.Poll),
            ])
        );

    static Step[] Without(Step[] steps, int left) => [.. steps.Where((_, at) => at != left)];

    async Task<IReadOnlyList<string>> Holds(Step[] steps)
    {
        var world = new World(github, steps.Length > 0 ? steps[0].Rerun : Rerun.Begins);
        var (model, wake) = (new Model(world), new Poller(this, world));
        foreach (var step in steps)
        {
            world.Seconds += step.After;
            switch (step.What)
            {
                case What.Poll or What.PollAndDie:
                    model.Poll(dies: step.What is What.PollAndDie);
                    await wake.Poll(dies: step.What is What.PollAndDie);
                    break;
                case What.End:
                    world.End(step.Red);
                    break;
                case What.RerunByHand:
                    world.RunAgain();
                    break;
                case What.Deliver:
                    wake.Deliver(step.Ended);
                    break;
                default:
                    world.Push(step.Rerun);
                    break;
            }
        }

        // Long enough for whatever is withheld.
        for (var last = 0; last < 2; last++)
        {
            world.Seconds += 150;
            model.Poll(dies: false);
            await wake.Poll(dies: false);
        }

        Assert.Equal(model.Told, wake.Told);
        Assert.Equal(model.Asked, world.Asked);
        if (world.Red > 0)
            Assert.Contains($"{world.Head} failure", wake.Told);

        // Nor is a run told that failed by chance.
        Assert.Empty(wake.FailedRuns.Intersect(model.Flaky));
        return wake.Told;
    }

    /// <summary>The pull request and its CI, as they are; the loopback shows them.</summary>
    sealed class World
    {
        readonly LoopbackGitHub github;
        readonly Clock clock = new();
        Rerun rerun;
        long ids;

        public World(LoopbackGitHub github, Rerun first)
        {
            this.github = github;
            github.Clear();
            github.Time = clock;
            github.Open(1);
            Push(first);
        }

        public int Seconds
        {
            get => clock.Seconds;
            set => clock.Seconds = value;
        }

        public int Pushes { get; private set; }

        public string Head => LoopbackGitHub.Sha(Pushes);

        public int Attempt { get; private set; }

        /// <summary>What is red; null while something runs, since <see cref="Since" />.</summary>
        public int? Red { get; private set; }

        public int Since { get; private set; }

        /// <summary>Of each check the attempt that it ended in; 0 while it runs.</summary>
        public string Sum => string.Join(' ', last.Select((x, check) => (running & (1 << check)) != 0 ? 0 : x));

        readonly int[] last = new int[Checks.Length];
        int running;
        bool hangs;

        public bool MayRerun => rerun is not Rerun.Refused;

        /// <summary>The heads whose failed jobs were to be rerun, where that is allowed.</summary>
        public List<string> Asked { get; } = [];

        /// <summary>Deliveries about runs that have ended, the last first.</summary>
        public List<JsonElement> Ended { get; } = [];

        public void Push(Rerun answer)
        {
            Pushes++;
            (rerun, Attempt, Red, Since, hangs) = (answer, 1, null, Seconds, false);
            github.Push(1, Head);
            github.Run(Pushes, Head, Pushes, null, suite: Pushes);
            Begin(3);
            github.Rerun =
                answer is Rerun.Refused
                    ? null
                    : _ =>
                    {
                        Asked.Add(Head);
                        if (answer is not Rerun.NeverBegins)
                            RunAgain();
                        hangs = answer is Rerun.NeverEnds;
                    };
        }

        /// <summary>Reruns what has failed, as somebody may do by hand, too.</summary>
        public void RunAgain()
        {
            if (Red is not > 0)
                return;

            (Attempt, Since, var again, Red) = (Attempt + 1, Seconds, Red.Value, null);
            github.BeginAgain(Pushes);
            Begin(again);
        }

        void Begin(int checks)
        {
            running = checks;
            for (var check = 0; check < last.Length; check++)
                last[check] = (checks & (1 << check)) != 0 ? Attempt : last[check];
            Show(checks, null);
        }

        public void End(int failing)
        {
            if (Red is not null || hangs)
                return;

            var red = running & failing;
            Show(running & ~failing, "success");
            Show(red, "failure");
            (Red, running, Since) = (red, 0, Seconds);
            var conclusion = red > 0 ? "failure" : "success";
            if (Attempt == 1)
                github.Run(Pushes, Head, Pushes, conclusion, suite: Pushes);
            else
                github.EndAgain(Pushes, conclusion);
            Ended.Insert(
                0,
                JsonSerializer.SerializeToElement(
                    new
                    {
                        action = "completed",
                        repository = new { id = 1, full_name = "octo-org/hello" },
                        workflow_run = new
                        {
                            id = Pushes,
                            name = "CI",
                            run_attempt = Attempt,
                            head_sha = Head,
                            status = "completed",
                            conclusion,
                            updated_at = clock.GetUtcNow(),
                        },
                    }
                )
            );
        }

        void Show(int checks, string? conclusion)
        {
            for (var check = 0; check < Checks.Length; check++)
            {
                if ((checks & (1 << check)) != 0)
                    github.Check(Head, Checks[check], conclusion, id: ++ids, suite: Pushes);
            }
        }
    }

    sealed class Clock : TimeProvider
    {
        public int Seconds { get; set; }

        public override DateTimeOffset GetUtcNow() =>
            new DateTimeOffset(2026, 1, 1, 0, 0, 0, default).AddSeconds(Seconds);
    }

    /// <summary>What is to be told and asked for at each poll, by what the documents say of it.</summary>
    sealed class Model(World world)
    {
        readonly HashSet<(string, bool)> keys = [];
        int head,
            spent;
        string? said;
        (int At, int Attempt)? asked;

        public List<string> Told { get; } = [];

        public List<string> Asked { get; } = [];

        /// <summary>The attempts of runs that failed and passed when they were rerun.</summary>
        public HashSet<(string Head, int Attempt)> Flaky { get; } = [];

        public void Poll(bool dies)
        {
            // Nobody needs to hear of what the branch has left.
            if (head != world.Pushes)
                (head, spent, said, asked) = (world.Pushes, 0, null, null);
            if (Due() is not { } conclusion)
                return;

            // Who was told that checks are pending does not know yet that their rerun hangs.
            var pending = conclusion == "pending";
            if (keys.Add(($"{world.Head} {world.Sum}", pending && asked is not null)))
                Told.Add($"{world.Head} {conclusion}");

            // That it was told is saved last.
            if (dies)
                return;
            said = world.Sum;
            if (!pending)
                asked = null;
        }

        string? Due()
        {
            var stood = TimeSpan.FromSeconds(world.Seconds - world.Since);
            if (said == world.Sum)
                return null;
            if (world.Red is not { } red)
                return stood >= Patience ? "pending" : null;
            if (stood < Settle)
                return null;

            if (asked is { } rerun)
            {
                if (world.Attempt == rerun.Attempt && TimeSpan.FromSeconds(world.Seconds - rerun.At) < Patience)
                    return null;
                if (red == 0)
                    Flaky.Add((world.Head, rerun.Attempt));
            }
            else if (red != 0 && (red & spent) == 0)
            {
                spent |= red;
                (asked, said) = ((world.Seconds, world.Attempt), null);
                if (world.MayRerun)
                {
                    Asked.Add(world.Head);
                    return null;
                }
            }

            return red == 0 ? "success" : "failure";
        }
    }

    /// <summary>What Wake does, and what it tells.</summary>
    sealed class Poller(TellingAfterReruns test, World world)
    {
        readonly WatchedRepository watched = WatchedRepository
            .FromSubjects([
                new WatchedSubject("github:octo-org/hello#1", ["github.ci.completed"], DateTimeOffset.UnixEpoch)
                {
                    Rerun = RerunFor.Sessions,
                },
            ])
            .Single();

        readonly HashSet<string> keys = [];
        string saved = new RepositoryState().ToJson();

        public List<string> Told { get; } = [];

        public HashSet<(string Head, int Attempt)> FailedRuns { get; } = [];

        public async Task Poll(bool dies)
        {
            var asked = world.Asked.Count;
            var state = RepositoryState.FromJson(saved);
            var now = new DateTimeOffset(2026, 1, 1, 0, 0, 0, default).AddSeconds(world.Seconds);
            state.Pulls[1] = new(DateTimeOffset.UnixEpoch, now, ClosedAt: null, world.Head) { Author = "octocat" };
            state.Commits.TryAdd(world.Head, new(now, Baseline: false));
            var poll = new CommitPoll(
                watched,
                state,
                new(Repository, state, test.client, test.github.Time),
                GitHubObservation.Poll(Repository),
                test.logs,
                found =>
                {
                    foreach (var observed in found.SelectMany(x => x.Events))
                        Hear(observed);
                    // Before it has saved what it has told or asked for.
                    if (
                        dies
                        && (
                            world.Asked.Count > asked
                            || found.SelectMany(x => x.Events).Any(x => x.Type == "github.ci.completed")
                        )
                    )
                        throw new OperationCanceledException("killed");
                    saved = state.ToJson();
                    return Task.CompletedTask;
                },
                test.options,
                NullLogger.Instance
            );
            try
            {
                await poll.PollCommits([], new(Settle, Patience, CiRules.None), default);
            }
            catch (OperationCanceledException)
            {
                // Whoever comes after it begins with what was saved.
            }
        }

        public void Deliver(int ended)
        {
            if (ended >= world.Ended.Count)
                return;

            foreach (var observed in GitHubEvents.FromWebhook("workflow_run", world.Ended[ended], "delivery").Events)
            {
                var state = RepositoryState.FromJson(saved);
                var sha = WatchedRepository.CommitOf(observed.Subject)!;

                // Of a commit that was not polled yet, or is no head any more, nobody has said whose it is.
                if (
                    sha == world.Head
                    && state.Commits.ContainsKey(sha)
                    && !RerunFirst.Withholds(watched, state, test.options, sha, [1], observed)
                )
                    Hear(observed);
            }
        }

        void Hear(Contracts.ExternalEventObserved observed)
        {
            var sha = WatchedRepository.CommitOf(observed.Subject)!;
            var conclusion = observed.Data!.Value.GetProperty("conclusion").GetString();
            if (observed.Type == "github.workflow_run.completed" && conclusion == "failure")
                FailedRuns.Add((sha, observed.Data.Value.GetProperty("attempt").GetInt32()));
            // The intake takes a key once.
            if (observed.Type == "github.ci.completed" && keys.Add(observed.DedupKey!))
                Told.Add($"{sha} {conclusion}");
        }
    }
}
