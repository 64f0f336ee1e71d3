using System.Collections.Concurrent;
using Wake.Testing;
using Wake.Tests.Support;
using static Wake.Tests.Producing.TellingMergeStates;

namespace Wake.Tests.Producing;

/// <summary>
/// A repository in which sessions mend CI of their own pull requests, thirty days of it in a minute: one check
/// in five fails by chance, some changes are wrong, and some of those no session can mend. By polls, by deliveries,
/// which have the account look at what they are about, and by both it comes to the same.
/// </summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public sealed class MonthOfPullRequests()
    : GitHubPollingTestBase(
        new Dictionary<string, string>
        {
            ["GitHub__Settle"] = "00:00:00.5",
            ["GitHub__PendingAfter"] = "01:00:00",
            ["GitHub__OwnLogins__0"] = "octocat",
            ["GitHub__Reserve"] = "0",
            ["Routes__ci__Subject"] = $"{Repository}#*",
            ["Routes__ci__Types__0"] = "github.ci.completed",
            ["Routes__ci__Where__0"] = "data.conclusion = failure",
            ["Routes__ci__Session"] = "fixer@{subject}",
            ["Routes__ci__Workspace"] = Path.GetTempPath(),
            ["Routes__ci__Ci__AttemptsPerCheck"] = $"{Attempts}",
        }
    )
{
    const string Repository = "github:octo-org/hello";

    const int AtOnce = 30,
        Attempts = 3;

    static readonly string[] Checks = ["build", "test", "lint"];

    // Without numbers: what differs in those alone is the same error.
    static readonly string[] Mistakes =
    [
        "no such method",
        "a semicolon is missing",
        "expected true",
        "it hangs",
        "it throws",
    ];

    readonly ConcurrentDictionary<long, Action> rerun = new();
    readonly ConcurrentDictionary<string, string> told = new();
    readonly ConcurrentDictionary<int, bool> spent = new();
    readonly ConcurrentBag<string> wrong = [];
    readonly ConcurrentBag<Task<bool>> deliveries = [];
    bool delivers;
    int red;

    [Theory]
    [InlineData(Way.Poller, 200)]
    [InlineData(Way.Webhook, 60)]
    [InlineData(Way.Webhook | Way.Poller, 60)]
    public async Task Sessions_are_woken_for_what_is_theirs_to_mend_and_people_asked_once_for_what_is_not(
        Way way,
        int pullRequests
    )
    {
        delivers = way.HasFlag(Way.Webhook);
        github.Rerun = run => rerun[run]();
        var process = await wake.StartProcess(
            "Wake.Standalone",
            new Dictionary<string, string>
            {
                // Without polls of its own accord it looks only where a delivery tells it to.
                ["GitHub__PollInterval"] = way.HasFlag(Way.Poller) ? "00:00:00.3" : "01:00:00",
                ["GitHub__WebhookSecrets__0"] = LoopbackGitHub.Secret,
            }
        );
        github.Hook.To = process.Url;
        // What was there before the first look is no news.
        await Eventually.Holds(
            () => Task.FromResult(github.Requests.Any(x => x.Path.EndsWith("/pulls", StringComparison.Ordinal))),
            "it has looked"
        );
        var chance = new Random(20261130);
        var changes = Enumerable.Range(1, pullRequests).Select(x => (Number: x, Chance: new Random(chance.Next())));

        await Parallel.ForEachAsync(
            changes,
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce },
            async (x, _) => await Carry(x.Number, x.Chance)
        );
        Assert.All(await Task.WhenAll(deliveries), Assert.True);
        await wake.WaitUntilIdle();

        var turns = await wake.Scalar<long>("select count(*) from turns where outcome = 'completed'");
        // Who is woken with every failure takes a turn for each of them.
        Assert.InRange(turns, 1, red * 2 / 5);
        Assert.Empty(wrong.Except(await Told()));
        Assert.Equal(
            spent.Keys.Select(x => $"fixer@{Repository}#{x}").Order(StringComparer.Ordinal),
            await wake.Scalar<string[]>(
                """
                select coalesce(array_agg(s.key order by s.key collate "C"), '{}')
                from decisions d join sessions s on s.id = d.session_id
                where d.kind = 'escalated'
                """
            )
        );
        Assert.NotEmpty(spent);
        // Of one commit CI is told once as it stood before it ran again, and each attempt of a run once.
        Assert.Empty(
            await wake.Scalar<string[]>(
                """
                select coalesce(array_agg(told), '{}')
                from (select concat_ws(' ', type, subject, data ->> 'conclusion', data ->> 'runId', data ->> 'attempt') as told
                      from events where type in ('github.ci.completed', 'github.workflow_run.completed')
                      group by told having count(*) > 1) twice
                """
            )
        );
    }

    void Deliver(Func<Task<bool>> deliver)
    {
        if (delivers)
            deliveries.Add(deliver());
    }

    // The commits of which a session was told in a turn, or a person when it was parked.
    async Task<string[]> Told() =>
        await wake.Scalar<string[]>(
            """
            select coalesce(array_agg(distinct e.data ->> 'sha'), '{}')
            from events e
            join inbox i on i.event = e.seq
            join turns t on t.session_id = i.session_id and t.wake_number = i.wake_number
            where e.type = 'github.ci.completed' and e.data ->> 'conclusion' = 'failure'
              and (t.outcome = 'completed' or t.parked)
            """
        );

    // From its opening until it is merged, or a person has to see to it.
    async Task Carry(int number, Random chance)
    {
        var key = $"fixer@{Repository}#{number}";
        var (mistake, mendable) = (chance.NextDouble() < 0.15, chance.NextDouble() < 0.8);
        for (var push = 1; ; push++)
        {
            var head = LoopbackGitHub.Sha((number * 100) + push);
            if (push == 1)
                github.Open(number, head);
            github.Push(number, head);
            Deliver(() => github.Deliver(push == 1 ? "opened" : "synchronize", number));
            if (mistake)
                wrong.Add(head);
            Build(number, push, head, mistake ? Mistakes[(push - 1) % Mistakes.Length] : null, chance);

            var wakes = push;
            var end = "";
            await Eventually.Holds(
                async () => (end = await End(key, head)).Length > 0,
                $"CI of #{number} at push {wakes} comes to something"
            );
            if (end == "passed")
            {
                github.Merge(number);
                Deliver(() => github.Deliver("closed", number));
                return;
            }

            if (end == "parked")
            {
                spent[number] = true;
                return;
            }

            // The session has taken its turn, and pushes what it thinks is right.
            mistake = mistake && !(mendable && chance.NextDouble() < 0.6);
        }
    }

    // What has become of a commit: nothing yet, "passed", "told" in a turn that is over, or "parked".
    Task<string> End(string key, string head) =>
        wake.Scalar<string>(
            """
            select coalesce((
                select case when e.data ->> 'conclusion' = 'success' then 'passed'
                            when t.ended_at is not null then 'told'
                            when t.parked then 'parked' end
                from events e
                left join sessions s on s.key = $1
                left join inbox i on i.event = e.seq and i.session_id = s.id
                left join turns t on t.session_id = s.id and t.wake_number = i.wake_number
                where e.type = 'github.ci.completed' and e.subject = $2
                order by e.seq desc limit 1), '')
            """,
            key,
            $"{Repository}@{head}"
        );

    // Its checks end: one in five fails without a cause, the first one also if something is wrong.
    void Build(int number, int push, string head, string? mistake, Random chance)
    {
        var (run, suite) = ((number * 100L) + push, (number * 100L) + push);
        var failed = Ends(Checks);
        rerun[run] = () =>
        {
            github.BeginAgain(run);
            Ends(failed, again: true);
        };

        string[] Ends(string[] checks, bool again = false)
        {
            string[] bad = [.. checks.Where(x => chance.NextDouble() < 0.2 || (mistake is not null && x == Checks[0]))];
            foreach (var check in checks)
            {
                var job = (((run * 10) + Array.IndexOf(Checks, check)) * 10) + (again ? 1 : 0);
                github.Check(head, check, bad.Contains(check) ? "failure" : "success", id: job, suite: suite);
                github.Log(
                    job,
                    "Building\n##[error]"
                        + (mistake is not null && check == Checks[0] ? mistake : "the network is down")
                );
            }

            if (bad.Length > 0)
                Interlocked.Increment(ref red);
            if (again)
                github.EndAgain(run, bad.Length > 0 ? "failure" : "success");
            else
                github.Run(run, head, run * 100, bad.Length > 0 ? "failure" : "success", suite: suite);
            Deliver(() => github.DeliverRun(run));
            // Whichever comes first.
            foreach (var check in checks.Reverse())
                Deliver(() => github.DeliverCheck(head, check));
            return bad;
        }
    }
}
