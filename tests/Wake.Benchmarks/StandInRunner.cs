using System.Collections.Concurrent;
using System.Diagnostics;
using MassTransit;
using Wake.Contracts;
using Wake.Store;

namespace Wake.Benchmarks;

/// <summary>A runner that does everything a runner does but run the CLI: every turn ends as it begins.</summary>
sealed class StandInRunner : IAsyncDisposable
{
    // More take the processor from what is measured, and are no faster.
    const int Slots = 16;

    // A command has arrived when it is delivered, and not when a slot is free for it.
    const int AllThatWait = 10_000;

    readonly IBusControl bus;
    readonly Turns turns;
    readonly SemaphoreSlim slots = new(Slots);
    readonly ConcurrentDictionary<Guid, long> dispatched = new();
    readonly ConcurrentDictionary<string, int> heard = new();
    int jobs,
        ended;

    StandInRunner(Uri broker, Turns turns)
    {
        this.turns = turns;
        bus = Bus.Factory.CreateUsingRabbitMq(rabbit =>
        {
            rabbit.Host(broker);
            rabbit.ReceiveEndpoint(
                "resume-session",
                endpoint =>
                {
                    endpoint.SetQuorumQueue();
                    endpoint.PrefetchCount = AllThatWait;
                    endpoint.ConcurrentMessageLimit = AllThatWait;
                    endpoint.Handler<ResumeSession>(Consume);
                }
            );
        });
    }

    /// <summary>Commands received.</summary>
    public int Jobs => jobs;

    /// <summary>Turns ended.</summary>
    public int Ended => ended;

    /// <summary>When each session got its first command (<see cref="Stopwatch.GetTimestamp"/>).</summary>
    public IReadOnlyDictionary<Guid, long> Dispatched => dispatched;

    /// <summary>How often each reason was handed over.</summary>
    public IReadOnlyDictionary<string, int> Heard => heard;

    /// <summary>Called with each command, as it arrives.</summary>
    public Action<ResumeSession>? Arrived { get; set; }

    /// <summary>Awaited in each turn.</summary>
    public Func<Task>? During { get; set; }

    /// <summary>Called before it says that a turn is over.</summary>
    public Action? Ending { get; set; }

    public static async Task<StandInRunner> Start(Uri broker, Turns turns)
    {
        var runner = new StandInRunner(broker, turns);
        await runner.bus.StartAsync();
        return runner;
    }

    /// <summary>Forgets what it has seen.</summary>
    public void Reset()
    {
        dispatched.Clear();
        heard.Clear();
        (jobs, ended) = (0, 0);
    }

    public async ValueTask DisposeAsync()
    {
        await bus.StopAsync();
        slots.Dispose();
    }

    async Task Consume(ConsumeContext<ResumeSession> context)
    {
        var (wake, cancel) = (context.Message, context.CancellationToken);
        dispatched.TryAdd(wake.SessionId, Stopwatch.GetTimestamp());
        Interlocked.Increment(ref jobs);
        Arrived?.Invoke(wake);

        await slots.WaitAsync(cancel);
        try
        {
            await RunTurn(context, wake, cancel);
        }
        finally
        {
            slots.Release();
        }
    }

    async Task RunTurn(ConsumeContext<ResumeSession> context, ResumeSession wake, CancellationToken cancel)
    {
        if (
            await turns.Claim(wake.SessionId, wake.WakeNumber, "bench", TimeSpan.FromMinutes(1), cancel)
            is not TurnClaim.Granted { Turn: var turn }
        )
            return;

        foreach (var happened in turn.Events)
            heard.AddOrUpdate(happened.Id, 1, (_, times) => times + 1);

        if (During is { } during)
            await during();

        await turns.EndTurn(turn, TurnOutcome.Completed, null, default, cancel);
        Ending?.Invoke();
        await context.Publish(new TurnEnded(turn.SessionId, turn.WakeNumber, TurnOutcome.Completed), cancel);
        Interlocked.Increment(ref ended);
    }
}
