using Wake.Store;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

/// <summary>What is over for long enough is forgotten; what somebody still waits for never.</summary>
public sealed class ForgettingOldEvents : IAsyncLifetime
{
    readonly TestStore store = new();

    public Task InitializeAsync() => store.InitializeAsync();

    public Task DisposeAsync() => store.DisposeAsync();

    [Fact]
    public async Task Events_that_were_heard_or_concerned_nobody_go_and_what_is_waiting_stays()
    {
        await store.Session("heard");
        await store.Session("waiting");
        await store.Session("running");
        await store.Session("closed");
        await store.Accept(
            WakeSystem.Event("heard", "old"),
            WakeSystem.Event("waiting", "old"),
            WakeSystem.Event("running", "old"),
            WakeSystem.Event("closed", "old"),
            WakeSystem.Event("nobody", "old")
        );
        await store.Accept(WakeSystem.Event("heard", "old"));
        await store.Sessions.Close("closed", CancellationToken.None);
        foreach (var (session, ended) in (IEnumerable<(string, string)>)[("heard", "now()"), ("running", "null")])
        {
            await store.Execute(
                $"insert into turns (session_id, wake_number, ended_at) select id, 1, {ended} from sessions where "
                    + $"key = '{session}'"
            );
            await store.Execute(
                $"update inbox set wake_number = 1 where session_id = (select id from sessions where key = '{session}')"
            );
        }

        await store.Execute("update events set accepted_at = now() - interval '91 days'");
        await store.Accept(WakeSystem.Event("nobody", "new"));

        Assert.Equal(
            3,
            await new EventRetention(store.Database).DeleteOlderThan(TimeSpan.FromDays(90), CancellationToken.None)
        );
        Assert.Equal(
            0,
            await new EventRetention(store.Database).DeleteOlderThan(TimeSpan.FromDays(90), CancellationToken.None)
        );

        Assert.Equal(
            ["nobody|new", "running|old", "waiting|old"],
            await Column("select subject || '|' || split_part(dedup_key, '|', 3) from events")
        );
        Assert.Equal(["2"], await Column("select count(*)::text from inbox"));
        Assert.Equal(["0"], await Column("select count(*)::text from duplicates"));
        Assert.Equal(["2"], await Column("select count(*)::text from turns"));

        // Forgotten is forgotten: it would be a new fact.
        Assert.Equal(IntakeOutcome.Routed, (await store.Accept(WakeSystem.Event("heard", "old")))[0].Outcome);
    }

    [Fact]
    public async Task What_stays_although_it_is_old_is_not_looked_at_again_at_once()
    {
        await store.Session("waiting");
        await store.Accept(WakeSystem.Event("waiting", "old"), WakeSystem.Event("nobody", "old"));
        await store.Execute("update events set accepted_at = now() - interval '91 days'");
        var retention = new EventRetention(store.Database);
        Assert.Equal(1, await retention.DeleteOlderThan(TimeSpan.FromDays(90), CancellationToken.None));
        await store.Sessions.Close("waiting", CancellationToken.None);

        Assert.Equal(0, await retention.DeleteOlderThan(TimeSpan.FromDays(90), CancellationToken.None));
        Assert.Equal(
            1,
            await new EventRetention(store.Database).DeleteOlderThan(TimeSpan.FromDays(90), CancellationToken.None)
        );
    }

    [Fact]
    public async Task Of_old_messages_in_chats_those_stay_that_may_still_change()
    {
        await store.Execute("insert into notification_targets (name, kind) values ('chat', 'telegram')");
        await store.Execute(
            """
            insert into chat_messages (target, about, part, message_id, final, begun_at)
            select target, about, 0, message_id, final, now() - age
            from (values ('chat', 'settled', '1', true, interval '91 days'),
                         ('chat', 'asked', '2', false, interval '91 days'),
                         ('chat', 'never arrived', null, false, interval '91 days'),
                         ('chat', 'just sent', null, false, interval '1 minute'),
                         ('gone', 'asked there', '1', false, interval '91 days')) m (target, about, message_id, final, age)
            """
        );

        await new EventRetention(store.Database).DeleteOlderThan(TimeSpan.FromDays(90), CancellationToken.None);

        Assert.Equal(["asked", "just sent"], await Column("select about from chat_messages"));
    }

    async Task<IReadOnlyList<string>> Column(string sql)
    {
        await using var command = store.Database.CreateCommand($"{sql} order by 1");
        return await command.ReadAll(row => row.GetString(0), CancellationToken.None);
    }
}
