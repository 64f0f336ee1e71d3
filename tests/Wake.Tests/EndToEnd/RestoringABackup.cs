using Npgsql;
using Wake.Contracts;
using Wake.Offline;
using Wake.ServiceDefaults;
using Wake.Store;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

/// <summary>
/// The database goes back to what it was before a wake, by a backup or by a failover that lost commits, and counts the
/// same wakes again. The CLI remembers what it was told.
/// </summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public sealed class RestoringABackup
{
    public static TheoryData<string?> Clis => [null, RealClaude.Current, RealClaude.Old, RealClaude.Newest];

    [Theory]
    [MemberData(nameof(Clis))]
    public async Task A_wake_whose_number_was_told_before_is_told(string? version)
    {
        await using var backup = await Backup.Taken(version);

        await backup.Restore();

        var turn = await backup.Tell("the third thing");
        Assert.Equal((2, TurnOutcome.Completed, null), (turn.Number, turn.Outcome!.Value, turn.Note));
        await backup.HasBeenTold("the first thing", "the second thing", "the third thing");
    }

    // However it comes to that: a message that the CLI takes for done and that nobody can have said before was not
    // told.
    [Theory]
    [MemberData(nameof(Clis))]
    public async Task A_first_attempt_that_the_cli_takes_for_done_is_told_again(string? version)
    {
        await using var backup = await Backup.Taken(version);
        var salt = await backup.Salt();
        await backup.Restore();
        await backup.Sql(
            $"""
            create function say_again() returns trigger language plpgsql as $$ begin new.message_salt := '{salt}'; return new; end $$;
            create trigger say_again before update on turns for each row when (old.attempt = 0 and new.attempt = 1) execute function say_again()
            """
        );

        var turn = await backup.Tell("the third thing");

        Assert.Equal((2, TurnOutcome.Completed, 1), (turn.Number, turn.Outcome!.Value, turn.Attempt));
        await backup.HasBeenTold("the first thing", "the second thing", "the third thing");
        Assert.Contains((await backup.Wake.Explain(backup.Key)).Ledger, x => x.What == "toldAgain" && x.Wake == 2);
    }

    [Fact]
    public async Task A_runner_that_has_outlived_it_no_longer_holds_the_turn()
    {
        var store = new TestStore();
        await store.InitializeAsync();
        try
        {
            var session = await store.Session("a");
            await Sql($"insert into turns (session_id, wake_number) values ('{session}', 1)");
            var before = await Claim();

            // As it was before the first claim: the row, and every sequence.
            await Sql(
                "update turns set attempt = 0, runner = null, epoch = null, lease_until = null, started_at = null, "
                    + "message_salt = null"
            );
            await Sql("select setval('lease_epochs', 1, false)");
            var after = await Claim();

            Assert.False(await store.Turns.Renew(before, TimeSpan.FromMinutes(1), CancellationToken.None));
            Assert.True(await store.Turns.Renew(after, TimeSpan.FromMinutes(1), CancellationToken.None));
            Assert.True(after.Epoch > before.Epoch);

            async Task<ClaimedTurn> Claim() =>
                Assert
                    .IsType<TurnClaim.Granted>(
                        await store.Turns.Claim(session, 1, "test", TimeSpan.FromMinutes(5), CancellationToken.None)
                    )
                    .Turn;
        }
        finally
        {
            await store.DisposeAsync();
        }

        async Task Sql(string sql)
        {
            await using var command = store.Database.CreateCommand(sql);
            await command.ExecuteNonQueryAsync();
        }
    }

    /// <summary>A standalone Wake that has told one session two things, and a copy of its database from between
    /// them.</summary>
    sealed class Backup(WakeSystem wake, MessagesApi api, string copy, string key) : IAsyncDisposable
    {
        NpgsqlDataSource? restored;

        public WakeSystem Wake => wake;

        public string Key => key;

        public static async Task<Backup> Taken(string? version)
        {
            var api = await MessagesApi.Start();
            var settings = new Dictionary<string, string> { ["Claude__MaxRetries"] = "0" };
            if (version is not null)
            {
                settings["Claude__Executable"] = RealClaude.Executable(version);
                settings["ANTHROPIC_BASE_URL"] = api.Url;
                settings["ANTHROPIC_API_KEY"] = "sk-test-0123456789";
            }

            var wake = await WakeSystem.Start(Transport.InMemory, settings);
            var key = await wake.Session("instant");
            await Tell(wake, key, "the first thing");

            await wake.Processes[^1].Stop();
            wake.Database.Clear();
            var copy = await Servers.NewDatabase(new NpgsqlConnectionStringBuilder(wake.ConnectionString).Database);

            await wake.StartProcess("Wake.Standalone");
            await Tell(wake, key, "the second thing");
            return new(wake, api, copy, key);
        }

        public Task<Guid> Salt() => wake.Scalar<Guid>("select message_salt from turns where wake_number = 2");

        public async Task Restore()
        {
            await wake.Processes[^1].Stop();
            restored = Postgres.CreateDataSource(copy);
            await wake.StartProcess(
                "Wake.Standalone",
                new Dictionary<string, string> { ["ConnectionStrings__Wake"] = copy }
            );
        }

        public async Task Sql(string sql)
        {
            await using var command = restored!.CreateCommand(sql);
            await command.ExecuteNonQueryAsync();
        }

        public Task<Turn> Tell(string reason) => Tell(wake, key, reason);

        public async Task HasBeenTold(params string[] reasons)
        {
            var said = FakeTranscript.Of(wake, await wake.Show(key)).UserMessages;
            Assert.Equal(
                reasons,
                said.Select(x => reasons.Single(reason => x.Contains(reason, StringComparison.Ordinal)))
            );
        }

        public async ValueTask DisposeAsync()
        {
            foreach (var process in wake.Processes)
                await process.DisposeAsync();
            if (restored is not null)
            {
                Assert.All(
                    await new ConsistencyAudit(restored).CheckRules(CancellationToken.None),
                    x => Assert.True(x.Broken == 0, x.Rule)
                );
                await restored.DisposeAsync();
            }

            await wake.DisposeAsync();
            await Servers.DropDatabase(copy);
            await api.DisposeAsync();
        }

        static async Task<Turn> Tell(WakeSystem wake, string key, string reason)
        {
            var number = (await wake.Turns(key)).Count + 1;
            await wake.Wake(key, reason);
            var turn = await wake.WaitForTurnEnd(key, number);
            await wake.WaitForState(key, SessionState.Idle);
            return turn;
        }
    }
}
