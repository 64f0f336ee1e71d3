using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Wake.Producers.GitHub;
using Wake.Store;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>
/// What is told of CI where failed jobs run again first, against a model of it: whatever fails, passes, is run again or
/// pushed, when it is looked at, which deliveries come late, and whenever the process is killed.
/// </summary>
public sealed class TellingAfterReruns(TestStore store) : IClassFixture<TestStore>, IAsyncLifetime
{
    static readonly TimeSpan Settle = TimeSpan.FromSeconds(30),
        Patience = TimeSpan.FromSeconds(120);

    static readonly string[] Checks = ["build", "test"];

    static readonly GitHubRepository Repository = new(GitHubRepository.Public, "octo-org/hello", Id: 1);

    LoopbackGitHub github = null!;
    GitHubClient client = null!;
    JobLogs logs = null!;
    GitHubOptions options = null!;

    enum What
    {
        Look,
        LookAndDie,
        End,
        RunAgain,
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
    /// <param name="Rerun">Of a push: what comes of asking for a rerun of it.</param>
    /// <param name="Attempt">Of a delivery: which of those so far it tells of, the last first.</param>
    sealed record Step(int After, What What, int Red, Rerun Rerun, int Attempt);

    // Often red, and rarely for so long that nothing more is waited for.
    static readonly Gen<Step[]> Steps = (
        from after in Gen.Frequency((6, Gen.Elements(1, 10, 20)), (5, Gen.Constant(40)), (1, Gen.Constant(150)))
        from what in Gen.Frequency(
            (8, Gen.Constant(What.Look)),
            (2, Gen.Constant(What.LookAndDie)),
            (6, Gen.Constant(What.End)),
            (1, Gen.Constant(What.RunAgain)),
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
        from attempt in Gen.Choose(0, 2)
        select new Step(after, what, red, rerun, attempt)
    )
        .ListOf(16)
        .Select(x => x.ToArray());

    public async Task InitializeAsync()
    {
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

    [Fact]
    public void However_it_goes_each_sum_that_stands_is_told_once_and_a_flaky_one_as_green() =>
        Prop.ForAll(
                Steps.ToArbitrary(),
                x =>
                {
                    Task.Run(() => Holds(x)).GetAwaiter().GetResult();
                    return true;
                }
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(1000));

    async Task Holds(Step[] steps)
    {
        var world = new World(github);
        var (model, wake) = (new Model(world), new Poller(this, world));
        foreach (var step in steps)
        {
            world.Seconds += step.After;
            switch (step.What)
            {
                case What.Look or What.LookAndDie:
                    model.Look();
                    await wake.Look(dies: step.What is What.LookAndDie);
                    break;
                case What.End:
                    world.End(step.Red);
                    break;
                case What.RunAgain:
                    world.RunAgain();
                    break;
                case What.Deliver:
                    wake.Deliver(step.Attempt);
                    break;
                default:
                    world.Push(step.Rerun);
                    break;
            }
        }

        Assert.Equal(model.Told, wake.Told);
        // Nor is the run told that was red by chance.
        Assert.Empty(wake.FailedRuns.Intersect(model.Flaky));
    }

    /// <summary>The pull request and its CI, as they are; the loopback shows them.</summary>
    sealed class World
    {
        readonly LoopbackGitHub github;
        readonly Clock clock = new();
        Rerun rerun;
        long ids;

        public World(LoopbackGitHub github)
        {
            this.github = github;
            github.Clear();
            github.Time = clock;
            github.Open(1);
            Push(Rerun.Begins);
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
                        if (answer is not Rerun.NeverBegins)
                            RunAgain();
                        hangs = answer is Rerun.NeverEnds;
                    };
        }

        /// <summary>What has failed runs again; somebody may do that by hand, too.</summary>
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

    /// <summary>What is to be told, and when, by what the documents say of it.</summary>
    sealed class Model(World world)
    {
        readonly HashSet<string> said = [];
        int head,
            spent;
        (int At, int Attempt)? asked;

        public List<string> Told { get; } = [];

        /// <summary>The attempts of runs that were red before they ran again and were green.</summary>
        public HashSet<(string Head, int Attempt)> Flaky { get; } = [];

        public void Look()
        {
            // Nobody needs to hear of what the branch has left.
            if (head != world.Pushes)
                (head, spent, asked) = (world.Pushes, 0, null);

            var stood = TimeSpan.FromSeconds(world.Seconds - world.Since);
            if (world.Red is not { } red)
            {
                if (stood >= Patience)
                    Tell("pending");
            }
            else if (stood >= Settle && !said.Contains(Sum))
                Ended(red);
        }

        void Ended(int red)
        {
            if (asked is { } rerun)
            {
                if (world.Attempt == rerun.Attempt && TimeSpan.FromSeconds(world.Seconds - rerun.At) < Patience)
                    return;
                if (red == 0)
                    Flaky.Add((world.Head, rerun.Attempt));
                asked = null;
            }
            else if (red != 0 && (red & spent) == 0)
            {
                spent |= red;
                if (world.MayRerun)
                {
                    asked = (world.Seconds, world.Attempt);
                    return;
                }
            }

            Tell(red == 0 ? "success" : "failure");
        }

        void Tell(string conclusion)
        {
            if (said.Add(Sum))
                Told.Add($"{world.Head} {conclusion}");
        }

        string Sum => $"{world.Head} {world.Sum}";
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

        public async Task Look(bool dies)
        {
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
                    // Before it has saved what it has told.
                    if (dies && found.SelectMany(x => x.Events).Any(x => x.Type == "github.ci.completed"))
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

        public void Deliver(int attempt)
        {
            if (attempt >= world.Ended.Count)
                return;

            foreach (var observed in GitHubEvents.FromWebhook("workflow_run", world.Ended[attempt], "delivery").Events)
            {
                var state = RepositoryState.FromJson(saved);
                var sha = WatchedRepository.CommitOf(observed.Subject)!;
                long[] pulls = sha == world.Head ? [1] : [];
                // The delivery comes before the first look, and GitHub itself says which pull request it is of.
                if (
                    state.Commits.ContainsKey(sha)
                    && pulls is not []
                    && !RerunFirst.Withholds(watched, state, test.options, sha, pulls, observed)
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
