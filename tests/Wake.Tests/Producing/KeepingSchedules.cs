using Wake.Producers.Cron;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>A schedule fires each of its times once, whoever keeps it and however often that one dies.</summary>
[Trait("Starts", "processes")]
public sealed class KeepingSchedules
{
    [Fact]
    public async Task Two_replicas_restarted_at_random_fire_every_time_once()
    {
        const int restarts = 6;
        var random = new Random(972);
        await using var wake = await WakeSystem.Start(Transport.RabbitMq, runner: false);
        var settings = new Dictionary<string, string>
        {
            ["Cron__Seconds__Expression"] = "* * * * * *",
            ["Cron__Seconds__Reason"] = "A second is over",
            ["Cron__Pairs__Expression"] = "0/2 * * * * ?",
            ["Cron__Pairs__Reason"] = "Two seconds are over",
        };
        ServiceProcess[] replicas = await Task.WhenAll(
            wake.StartProcess("Wake.Producers.Cron", settings),
            wake.StartProcess("Wake.Producers.Cron", settings)
        );

        for (var i = 0; i < restarts; i++)
        {
            // At any moment of a second, the one way or the other.
            await Task.Delay(random.Next(200, 1200));
            var which = random.Next(2);
            if (random.Next(3) == 0)
                Assert.Equal(0, await replicas[which].Stop());
            else
                await replicas[which].Kill();
            replicas[which] = await wake.StartProcess("Wake.Producers.Cron", settings);
        }

        // What the dead ones owed is published by then.
        var restarted = DateTime.UtcNow;
        foreach (var name in (string[])["seconds", "pairs"])
        {
            await Eventually.Holds(async () =>
                await wake.Scalar<long>(
                    "select count(*) from events where source = $1 and happened_at > $2",
                    $"cron:{name}",
                    restarted
                ) > 2
            );
        }

        await Task.WhenAll(replicas.Select(x => x.Stop()));
        Assert.Equal((1, 1), await Steps(wake, "seconds"));
        Assert.Equal((2, 2), await Steps(wake, "pairs"));
    }

    // The shortest and the longest time between one fire and the next, in seconds: none twice and none left out.
    static async Task<(int Shortest, int Longest)> Steps(WakeSystem wake, string name)
    {
        var steps = await wake.Scalar<int[]>(
            """
            select array[min(step), max(step)] from (
                select extract(epoch from happened_at - lag(happened_at) over (order by happened_at))::int as step
                from events where source = $1) as steps
            """,
            $"cron:{name}"
        );
        return (steps[0], steps[1]);
    }

    [Fact]
    public async Task What_one_decided_and_did_not_publish_before_it_died_another_publishes()
    {
        await using var wake = await WakeSystem.Start(Transport.RabbitMq, runner: false);
        await using var wire = new TcpProxy(wake.Broker!.Port);
        var settings = new Dictionary<string, string>
        {
            ["Cron__Pairs__Expression"] = "0/2 * * * * ?",
            ["Cron__Pairs__Reason"] = "Time is up",
        };
        var first = await wake.StartProcess(
            "Wake.Producers.Cron",
            new Dictionary<string, string>(settings)
            {
                ["MessageBus__Host"] = new UriBuilder(wake.Broker) { Port = wire.Port }.ToString(),
            }
        );

        wire.HoldUpstream();
        await Eventually.Holds(
            async () =>
                await wake.Scalar<long>(
                    "select count(*) from cron_schedules where owed <> '{}' and owed_at < now() - interval '0.3 "
                        + "seconds'"
                ) == 1,
            "one is stuck"
        );
        var owed = await wake.Scalar<DateTime>("select owed[1] from cron_schedules");
        Assert.Equal(0, await wake.Scalar<long>("select count(*) from events where happened_at = $1", owed));
        await first.Kill();
        wire.Cut();
        await wake.StartProcess("Wake.Producers.Cron", settings);

        await Eventually.Holds(async () =>
            await wake.Scalar<long>("select count(*) from events where happened_at = $1", owed) == 1
        );
    }

    [Fact]
    public async Task A_schedule_in_one_process_wakes_its_sessions()
    {
        await using var wake = await WakeSystem.Create(
            Transport.InMemory,
            new Dictionary<string, string>
            {
                ["Cron__Morning__Expression"] = "0/2 * * * * ?",
                ["Cron__Morning__Reason"] = "Look through the open pull requests",
                ["Cron__Morning__Sessions__0"] = "reviewer",
            }
        );
        await wake.StartProcess("Wake.Standalone");
        await wake.Session(key: "reviewer");

        Assert.Contains("Look through the open pull requests", (await wake.WaitForTurnEnd("reviewer", 1)).Reasons);
    }

    // Whoever was away for longer than a minute has missed something.
    [Theory]
    [InlineData(CatchUp.Skip, "0 * * * *", "03:30", "")]
    [InlineData(CatchUp.One, "0 * * * *", "03:30", "03:00")]
    [InlineData(CatchUp.All, "0 * * * *", "03:30", "01:00 02:00 03:00")]
    [InlineData(CatchUp.Skip, "0 * * * *", "03:00", "03:00")]
    [InlineData(CatchUp.One, "0 * * * *", "03:00", "03:00")]
    [InlineData(CatchUp.Skip, "0 9 * * 1-5", "03:30", "")]
    public void What_was_missed_is_caught_up_by_the_policy(CatchUp catchUp, string expression, string now, string fired)
    {
        var due = DueTimes.Find(
            Schedule(expression).ParseExpression(),
            At("2026-11-21T00:10:00Z"),
            At($"2026-11-21T{now}:00Z"),
            catchUp
        );

        Assert.Equal(fired, string.Join(' ', due.Select(x => $"{x.UtcDateTime:HH:mm}")));
    }

    [Fact]
    public void A_year_of_seconds_is_caught_up_by_the_last_hundred()
    {
        var now = At("2026-11-21T12:00:00.5Z");

        var due = DueTimes.Find(Schedule("* * * * * ?").ParseExpression(), now.AddYears(-1), now, CatchUp.All);

        Assert.Equal(Enumerable.Range(0, 100).Select(x => At("2026-11-21T12:00:00Z").AddSeconds(x - 99)), due);
    }

    // 02:30 does not exist on 29 March in Berlin, and is twice on 25 October.
    [Theory]
    [InlineData("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:00 2026-03-30T00:30")]
    [InlineData("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30 2026-10-26T01:30")]
    [InlineData(
        "0,15,30,45 2 * * *",
        "Europe/Berlin",
        "2026-10-24T22:00:00Z",
        "2026-10-25T00:00 2026-10-25T00:15 2026-10-25T00:30 2026-10-25T00:45 2026-10-26T01:00"
    )]
    [InlineData(
        "*/15 2 * * *",
        "Europe/Berlin",
        "2026-10-24T22:00:00Z",
        "2026-10-25T00:00 2026-10-25T00:15 2026-10-25T00:30 2026-10-25T00:45 2026-10-25T01:00 2026-10-25T01:15 "
            + "2026-10-25T01:30 2026-10-25T01:45 2026-10-26T01:00"
    )]
    [InlineData(
        "30 1-3 * * *",
        "Europe/Berlin",
        "2026-10-24T23:45:00Z",
        "2026-10-25T00:30 2026-10-25T01:30 2026-10-25T02:30"
    )]
    [InlineData("30 2,3 * * *", "Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T00:30 2026-10-25T02:30")]
    [InlineData("0 9 * * *", "Europe/Berlin", "2026-10-24T00:00:00Z", "2026-10-24T07:00 2026-10-25T08:00")]
    [InlineData(
        "0 * * * *",
        "Europe/Berlin",
        "2026-10-24T23:30:00Z",
        "2026-10-25T00:00 2026-10-25T01:00 2026-10-25T02:00"
    )]
    [InlineData(
        "0 * * * *",
        "Europe/Berlin",
        "2026-03-28T23:30:00Z",
        "2026-03-29T00:00 2026-03-29T01:00 2026-03-29T02:00"
    )]
    [InlineData("0 9 * * 1", "America/New_York", "2026-03-01T00:00:00Z", "2026-03-02T14:00 2026-03-09T13:00")]
    [InlineData("0 0 9 ? * MON", "UTC", "2026-03-01T00:00:00Z", "2026-03-02T09:00 2026-03-09T09:00")]
    public void The_clock_of_its_time_zone_counts_when_it_is_changed_too(
        string expression,
        string zone,
        string after,
        string fires
    )
    {
        var (times, wanted) = (Schedule(expression, zone).ParseExpression(), fires.Split(' '));

        var last = At($"{wanted[^1]}:00Z");
        Assert.Equal(
            wanted,
            DueTimes.Find(times, At(after), last, CatchUp.All).Select(x => $"{x.UtcDateTime:yyyy-MM-ddTHH:mm}")
        );
    }

    static CronSchedule Schedule(string expression, string zone = "UTC") =>
        new()
        {
            Expression = expression,
            TimeZone = zone,
            Reason = "r",
        };

    static DateTimeOffset At(string time) =>
        DateTimeOffset.Parse(time, System.Globalization.CultureInfo.InvariantCulture);
}
