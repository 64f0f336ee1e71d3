using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.ServiceDefaults;
using Wake.Standalone;
using Wake.Store;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

/// <summary>What was taken in is on the disk, also when it is decided about before that.</summary>
[Trait("Starts", "processes")]
public sealed class KeepingWhatWasTaken : IDisposable
{
    readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task It_is_there_after_a_crash_of_the_database(int count)
    {
        var events = Enumerable
            .Range(0, count)
            .Select(x => new Observation(
                new ExternalEventObserved
                {
                    Id = $"{x}",
                    Source = "test",
                    Type = "test.happened",
                    Subject = "build:1",
                    Reason = "it happened",
                }
            ));
        await using (var postgres = await Start())
        await using (var database = Postgres.CreateDataSource(postgres.ConnectionString))
        {
            await SqlMigrations.Apply(database, typeof(Intake).Assembly, CancellationToken.None);

            var intake = new Intake(database, Options.Create(new Profiles()));
            await intake.Accept([.. events], CancellationToken.None, armed: _ => Task.CompletedTask);
            Crash();
        }

        await using var again = await Start();
        await using var restarted = Postgres.CreateDataSource(again.ConnectionString);
        await using var counted = restarted.CreateCommand("select count(*) from events");
        Assert.Equal((long)count, await counted.ExecuteScalarAsync());
    }

    // Nothing is written but what a commit waits for.
    Task<PrivatePostgres> Start() =>
        PrivatePostgres.Start(folder.Path, ["wal_writer_delay=10000", "fsync=off"], CancellationToken.None);

    void Crash()
    {
        var pid = int.Parse(
            File.ReadLines(folder.File("postgres/data/postmaster.pid")).First(),
            CultureInfo.InvariantCulture
        );
        using var server = Process.GetProcessById(pid);
        using (var kill = Process.Start("kill", ["-QUIT", $"{pid}"]))
            kill.WaitForExit();
        server.WaitForExit();
    }
}
