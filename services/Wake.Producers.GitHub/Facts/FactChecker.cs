using System.Collections.Concurrent;
using Microsoft.Extensions.Options;
using Npgsql;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Producers.GitHub;

/// <summary>
/// Answers what turns ask before they begin, with the accounts that poll: whether a pull request is still open, a check
/// still red, a comment still there.
/// </summary>
sealed class FactChecker(
    FactChecks facts,
    GitHubFacts gitHub,
    NpgsqlDataSource database,
    IOptions<GitHubOptions> options,
    RepollRequests repollRequests,
    TimeProvider time,
    ILogger<FactChecker> log
) : BackgroundService
{
    // Turns that are answered at the same time. Those behind them are told as they were observed.
    const int MaxTurns = 8;

    readonly Guid id = Guid.NewGuid();
    readonly SemaphoreSlim slots = new(MaxTurns);
    readonly ConcurrentDictionary<Task, bool> answering = new();

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        BackgroundLoop.Run(log, "Answering what turns ask", Listen, TimeSpan.FromSeconds(1), time, stoppingToken);

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await Task.WhenAll(answering.Keys)
            .WaitAsync(cancellationToken)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        try
        {
            await facts.Unregister(id, cancellationToken);
        }
        // Then turns wait for it until three heartbeats are over.
        catch (Exception away) when (PostgresErrors.IsFailure(away))
        {
            log.LogWarning("Turns could not be told that nobody answers here any more ({Reason}).", away.Message);
        }
    }

    async Task<TimeSpan> Listen(CancellationToken cancel)
    {
        var asked = false;
        await using var listener = await ChannelListener.Open(
            database,
            FactChecks.AskedChannel,
            _ => asked = true,
            cancel
        );
        string[] subjects = [.. options.Value.Accounts.Values.SelectMany(x => x.CheckableSubjects).Distinct()];
        while (true)
        {
            await facts.Register(id, subjects, GitHubFacts.Types, cancel);
            for (var beat = time.GetTimestamp(); time.GetElapsedTime(beat) < FactChecks.Heartbeat; )
            {
                asked = false;
                foreach (var turn in (await facts.Take(id, cancel)).GroupBy(x => (x.SessionId, x.WakeNumber)))
                    Start([.. turn], cancel);
                if (!asked)
                    await listener.Connection.WaitForNotification(
                        FactChecks.Heartbeat - time.GetElapsedTime(beat),
                        cancel
                    );
            }
        }
    }

    void Start(IReadOnlyList<FactQuestion> turn, CancellationToken stopping)
    {
        var task = Answer(turn, stopping);
        answering.TryAdd(task, true);
        task.ContinueWith(
            x => answering.TryRemove(x, out _),
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default
        );
    }

    async Task Answer(IReadOnlyList<FactQuestion> turn, CancellationToken stopping)
    {
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        try
        {
            ends.CancelAfter(turn.Min(x => x.TimeLeft));
            await slots.WaitAsync(ends.Token);
            try
            {
                var lookUp = gitHub.ForTurn();
                foreach (var question in turn)
                {
                    var (answer, reason) = await lookUp.Answer(question, ends.Token);
                    if (answer is FactAnswer.NoLonger)
                        repollRequests.Request(question.Subject);
                    await facts.Answer(question, answer, reason, stopping);
                }
            }
            finally
            {
                slots.Release();
            }
        }
        // Nobody waits for it any more.
        catch (OperationCanceledException) when (ends.IsCancellationRequested) { }
        catch (Exception failed)
        {
            BackgroundLoop.LogFailure(log, "Answering what a turn asks", failed);
        }
    }
}
