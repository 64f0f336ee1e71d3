using Npgsql;
using Wake.Store;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

/// <summary>What the audit says of a store. Every other test's store is audited at its end.</summary>
[Trait("Starts", "processes")]
public sealed class Auditing(Auditing.Finished finished) : IClassFixture<Auditing.Finished>
{
    [Fact]
    public async Task The_command_tells_a_store_that_nobody_has_touched_from_one_that_somebody_has()
    {
        await using var wake = await Finished.Turns();
        var untouched = await Said();
        Assert.Equal(0, untouched.ExitCode);
        Assert.DoesNotContain("BROKEN", untouched.Output);

        await wake.Execute("delete from turns where wake_number = 1");
        var touched = await Said();
        Assert.Equal(1, touched.ExitCode);
        Assert.Contains("BROKEN  The wakes of a session are counted without gaps.", touched.Output);

        Task<CommandOutput> Said() => WakeCommandLine.Run(wake.Here, null, "audit");
    }

    [Theory]
    [InlineData(
        "update inbox set wake_number = null where wake_number = 2",
        "Every waking event in an inbox has a timer."
    )]
    [InlineData(
        "update turns set ended_at = null, outcome = null where wake_number = 2",
        "Every open turn has a scheduled check."
    )]
    [InlineData(
        "update inbox set wake_number = 7 where wake_number = 2",
        "What was handed over was handed over in a turn."
    )]
    [InlineData("delete from turns where wake_number = 1", "The wakes of a session are counted without gaps.")]
    [InlineData(
        "update wake_timers set owed_at = now() - interval '1 day'",
        "No timer is overdue by more than 10 " + "minutes."
    )]
    [InlineData(
        "insert into decisions (kind, session_id, wake_number) select 'claimed', session_id, 1 from turns limit 1",
        "A turn is dispatched once"
    )]
    [InlineData(
        """
            insert into pauses (id, scope, interrupts, created_at)
            select gen_random_uuid(), 'all', false, min(at) from decisions
            """,
        "No turn is claimed while its session is paused."
    )]
    [InlineData(
        """
            insert into pauses (id, scope, name, interrupts, created_at)
            select gen_random_uuid(), 'source', 'test:producer', false, min(at) from decisions
            """,
        "No event is handed over while a pause holds it."
    )]
    [InlineData(
        """
            insert into pauses (id, scope, interrupts, breaker, reason, created_at, until)
            select gen_random_uuid(), 'all', false, 'turnsPerHour', 'breaker', min(at), now() + interval '1 hour' from decisions
            """,
        "While a breaker is open no turn is dispatched but its trials."
    )]
    [InlineData(
        """
            insert into ci_attempts (session_id, subject, wake_number, event, checks, counts, escalated)
            select session_id, 's', wake_number, 1, '{build}', true, true from turns where outcome = 'completed' limit 1
            """,
        "A spent CI budget is escalated once, and its turn runs only when a person allows it."
    )]
    [InlineData(
        "update turns set outcome = null where wake_number = 1",
        "A turn that has ended says how, and nobody holds it."
    )]
    [InlineData(
        "update turns set note = 'an earlier attempt had finished it' where wake_number = 2",
        "A first attempt is told and not taken for done."
    )]
    [InlineData(
        "update turns set outcome = 'stale' where wake_number = 2",
        "A turn that was stale had nothing left to tell."
    )]
    [InlineData("update session_ids set position = 2", "No fresh session without a reason.")]
    [InlineData("update transcripts set epoch = epoch + 100", "Transcripts were saved by the turn's lease holder")]
    [InlineData(
        "update turns set on_branch = false where wake_number = 1",
        "A turn without a concurrent process is on the session's current branch"
    )]
    [InlineData("delete from transcript_segments", "A memory is there in full.")]
    [InlineData("delete from transcripts", "A memory is there in full.")]
    [InlineData("update transcripts set wake_number = 1, epoch = 1", "A memory is there in full.")]
    [InlineData(
        """
            insert into questions (id, session_id, wake_number, tool_use_id, tool, input, answers, outcome, settled_at, begun_at)
            select gen_random_uuid(), session_id, 1, 'toolu_1', 'Bash', '{}', '{"allow": false}', 'answered', now(), now() from turns limit 1
            """,
        "A call that waits for a person is made only when they have allowed it."
    )]
    [InlineData(
        """
            with target as (insert into notification_targets (name, kind) values ('ops', 'telegram')), asked as (
                insert into questions (id, session_id, wake_number, tool_use_id, tool, input, outcome, settled_at)
                select gen_random_uuid(), session_id, 1, 'toolu_2', 'Bash', '{}', 'noAnswer', now() - interval '1 hour' from turns limit 1
                returning id
            )
            insert into chat_messages (target, about, part, question_id, message_id, final) select 'ops', 'x', 0, id, '1', false from asked
            """,
        "A chat that is served shows within a quarter of an hour how a question was settled."
    )]
    [InlineData(
        """
            with place as (
                insert into reports (session_id, subject, kind)
                select session_id, 'github:octo-org/hello#1', 'comment' from turns limit 1
                returning id
            )
            insert into report_turns (report, wake_number, outcome) select id, 1, 'completed' from place
            """,
        "The result of a turn that is to be reported is sent, or it is said why not."
    )]
    [InlineData(
        """
            insert into reports (session_id, subject, kind, comment_id, doubles)
            select session_id, 'github:octo-org/hello#1', 'comment', 7, '{8}' from turns limit 1
            """,
        "A session reports on a subject in one comment."
    )]
    [InlineData("update spending set usd = usd + 1", "What turns cost is what was spent.")]
    [InlineData(
        "insert into duplicates (event, observation, source) values (4711, 'x', 'y')",
        "A duplicate points to its fact."
    )]
    [InlineData("update watches set once = true", "A watch for one event is gone when it has woken its session.")]
    [InlineData(
        "insert into collisions (event, dedup_key, held_by) values (4711, 'k', 4712)",
        "What came under the key of another fact is an event of its own."
    )]
    [InlineData("update sessions set closed_at = now()", "A session that is closed waits for nothing.")]
    [InlineData(
        "update sessions set close_at = now() - interval '1 day', ended_by = 1",
        "A session whose subject is over is closed when it is time."
    )]
    public async Task A_row_that_was_tampered_with_is_found(string tampering, string rule)
    {
        await using var copy = await finished.Copy();
        Assert.All(await new ConsistencyAudit(copy).CheckRules(CancellationToken.None), x => Assert.Equal(0, x.Broken));

        await copy.CreateCommand(tampering).ExecuteNonQueryAsync();

        Assert.Contains(
            await new ConsistencyAudit(copy).CheckRules(CancellationToken.None),
            x => x.Broken > 0 && x.Rule.StartsWith(rule, StringComparison.Ordinal)
        );
    }

    /// <summary>A store after two turns, in which nothing runs any more.</summary>
    public sealed class Finished : IAsyncLifetime
    {
        WakeSystem wake = null!;

        public async Task InitializeAsync()
        {
            wake = await Turns();
            await wake.Processes[0].Stop();
            await wake.Database.DisposeAsync();
        }

        public async Task DisposeAsync() => await wake.DisposeAsync();

        public async Task<NpgsqlDataSource> Copy() =>
            NpgsqlDataSource.Create(
                await Servers.NewDatabase(new NpgsqlConnectionStringBuilder(wake.ConnectionString).Database)
            );

        public static async Task<WakeSystem> Turns()
        {
            var wake = await WakeSystem.Start(Transport.InMemory);
            wake.SkipInvariantChecks = true;
            var key = await wake.WatchingSession("instant");
            await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "first [[fake:cost 0.25]]"));
            await wake.WaitForTurnEnd(key, 1);
            await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "second"));
            await wake.WaitForTurnEnd(key, 2);
            await wake.WaitUntilIdle();
            return wake;
        }
    }
}
