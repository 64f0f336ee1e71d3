using Npgsql;
using Wake.Contracts;
using Wake.Store;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

/// <summary>
/// Sessions, by their keys, then watches, then timers: whoever writes in more than one waits for the others in this
/// order. Who holds what comes later while it waits for what comes before ends in a deadlock with a close.
/// </summary>
public sealed class LockingInOneOrder(TestStore store) : IClassFixture<TestStore>
{
    static readonly CancellationToken None = CancellationToken.None;

    readonly string subject = $"github:test/{Guid.NewGuid():N}#1";

    [Fact]
    public async Task An_intake_that_waits_for_a_session_holds_none_of_its_watches()
    {
        var key = await Watching($"{Guid.NewGuid()}");
        var told = await WhileLocked(
            key,
            () => store.Accept(Merged()),
            async () => Assert.Equal(1, await FreeWatches())
        );

        Assert.Equal([key], told[0].Sessions);
        Assert.Equal(0, await FreeWatches());
    }

    [Fact]
    public async Task A_second_look_back_waits_for_its_sessions_by_their_keys_and_holds_nothing_behind_them()
    {
        List<string> keys = [];
        while (keys.Count < 10)
            keys.Add(await Watching($"{Guid.NewGuid()}"));
        await store.Accept(Merged() with { Delivery = Delivery.Ambient });
        await store.Execute("update sessions set close_at = null, ended_by = null, ended_subject = null");
        await store.Execute("update watches set look_again_at = now()");

        await WhileLocked(
            keys.Order(StringComparer.Ordinal).First(),
            () => store.Watches.RepeatLookBack(None),
            async () =>
            {
                Assert.Equal(keys.Count - 1, await FreeSessions());
                Assert.Equal(keys.Count, await FreeWatches());
            }
        );

        Assert.Equal(
            keys.Count,
            await store.Scalar<long>("select count(*) from sessions where ended_subject = $1", subject)
        );
    }

    async Task<string> Watching(string key)
    {
        Assert.IsType<SessionCreation.Created>(await store.Sessions.Create(key, "/", "default", null, None));
        await store.Watches.Create(
            key,
            new(subject)
            {
                Types = ["*.merged"],
                Once = true,
                CloseAfter = TimeSpan.FromHours(1),
            },
            None
        );
        return key;
    }

    ExternalEventObserved Merged() => WakeSystem.Event(subject, "merged") with { Type = "github.pull_request.merged" };

    // What comes of it after the session is free again; and what holds while it waits.
    async Task<T> WhileLocked<T>(string key, Func<Task<T>> begin, Func<Task> waiting)
    {
        await using var connection = await store.Database.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using var command = new NpgsqlCommand(
            "select from sessions where key = $1 for no key update",
            connection,
            transaction
        );
        command.Parameters.AddWithValue(key);
        await command.ExecuteNonQueryAsync();

        var begun = begin();
        await Eventually.Holds(
            () =>
                store.Scalar<bool>(
                    """
                    select exists (select from pg_stat_activity
                                   where datname = current_database() and wait_event_type = 'Lock')
                    """
                ),
            "it waits"
        );
        await waiting();
        await transaction.RollbackAsync();
        return await begun;
    }

    Task<long> FreeWatches() =>
        store.Scalar<long>(
            "select count(*) from (select from watches where subject = $1 for update skip locked) free",
            subject
        );

    Task<long> FreeSessions() =>
        store.Scalar<long>(
            """
            select count(*) from (select from sessions s
                                  where exists (select from watches w where w.session_id = s.id and w.subject = $1)
                                  for update of s skip locked) free
            """,
            subject
        );
}
