using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Npgsql;
using Wake.Contracts.Http;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Gateway;

/// <summary>
/// The terminals that are connected to this gateway. Each is told of its session's next wake, once it has been claimed
/// for it; what happens to its session is heard from PostgreSQL, wherever it was done.
/// </summary>
sealed class TerminalConnections(
    NpgsqlDataSource database,
    Terminals terminals,
    TerminalTurns turns,
    IHostApplicationLifetime host,
    TimeProvider time,
    ILogger<TerminalConnections> log
) : BackgroundService
{
    /// <summary>How long a connection attends its session without being renewed.</summary>
    static readonly TimeSpan Attendance = TimeSpan.FromSeconds(15);

    // A third of that, and of the lease of a turn in any case.
    static readonly TimeSpan RenewInterval = TimeSpan.FromSeconds(5);

    // The client takes a connection for broken that is silent for longer than a few of these.
    static readonly TimeSpan PingInterval = TimeSpan.FromSeconds(15);

    // Between the line with the turn and the word that it is taken, over a network.
    static readonly TimeSpan AcknowledgeTimeout = TimeSpan.FromSeconds(5);

    // A connection that breaks is made again at once.
    static readonly TimeSpan ReconnectTime = TimeSpan.FromSeconds(2);

    // A waiter that wakes its session ends by that, and the next one is started when the session begins to read.
    static readonly TimeSpan RearmTime = TimeSpan.FromSeconds(15);

    readonly ConcurrentDictionary<Guid, Connection> connections = new();

    /// <summary>The session that a connected terminal waits for; null when it is not connected to this
    /// gateway.</summary>
    public TerminalSession? FindSession(Guid waiter, Guid claudeSessionId) =>
        connections.TryGetValue(waiter, out var connection) && connection.ClaudeSessionId == claudeSessionId
            ? connection.Session
            : null;

    /// <summary>Serves a waiting terminal until it has taken a wake, is replaced or goes away.</summary>
    public async IAsyncEnumerable<TerminalLine> Serve(
        TerminalSession session,
        Guid claudeSessionId,
        TerminalWait wait,
        [EnumeratorCancellation] CancellationToken aborted
    )
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(aborted, host.ApplicationStopping);
        var connection = new Connection(session, claudeSessionId);
        connections[wait.Waiter] = connection;
        WakeMetrics.TerminalConnections.Add(1);

        // The terminal may show what the connection before has sent: also that nothing waits is sent.
        var (status, spokenAt, offeredAt, attendedAt) = ((string?)null, time.GetTimestamp(), 0L, 0L);
        bool? idle = wait.Idle;
        var connects = true;
        TerminalOffer? offered = null;
        try
        {
            while (!stop.IsCancellationRequested)
            {
                // Between two renewals it only looks: a wake does not wait for what need not be written.
                var renews = connects || time.GetElapsedTime(attendedAt) >= RenewInterval;
                if (renews)
                    attendedAt = time.GetTimestamp();
                if (
                    await Attend(session, claudeSessionId, wait, renews, connects, idle, offered, stop.Token)
                    is not { } facts
                )
                {
                    yield return new(TerminalLine.End, "another connection, or another session, takes its place");
                    break;
                }

                (connects, idle) = (false, null);
                if (TerminalText.Status(facts) is var line && line != status)
                {
                    status = line;
                    yield return new(TerminalLine.Status, line);
                }

                if (offered is null && await Claim(session, facts, wait.Waiter, stop.Token) is { } offer)
                {
                    offered = offer;
                    yield return new(TerminalLine.Wake, offer.Text)
                    {
                        WakeNumber = offer.Turn.WakeNumber,
                        Epoch = offer.Turn.Epoch,
                    };
                    offeredAt = time.GetTimestamp();
                }

                // It ends now, and the session begins to read.
                if (offered is not null && IsTaken(facts, offered))
                    break;

                if (offered is not null && time.GetElapsedTime(offeredAt) > AcknowledgeTimeout)
                    break;

                if (time.GetElapsedTime(spokenAt) >= PingInterval)
                {
                    spokenAt = time.GetTimestamp();
                    yield return new(TerminalLine.Ping, null);
                }

                await connection.WaitForChange(RenewInterval, time, stop.Token);
            }
        }
        finally
        {
            connections.TryRemove(KeyValuePair.Create(wait.Waiter, connection));
            WakeMetrics.TerminalConnections.Add(-1);
            await Leave(session, wait.Waiter, offered);
        }
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        BackgroundLoop.Run(
            log,
            "Listening for changes of terminals",
            Listen,
            TimeSpan.FromSeconds(1),
            time,
            stoppingToken
        );

    async Task<TimeSpan> Listen(CancellationToken cancel)
    {
        await using var listener = await ChannelListener.Open(
            database,
            Terminals.Channel,
            said =>
            {
                if (!Guid.TryParse(said, out var session))
                    return;

                foreach (var terminal in connections.Values.Where(x => x.Session.Id == session))
                    terminal.NotifyChanged();
            },
            cancel
        );

        // What was announced before it listened.
        foreach (var terminal in connections.Values)
            terminal.NotifyChanged();
        while (true)
            await listener.Connection.WaitAsync(cancel);
    }

    // While PostgreSQL does not answer the connection is kept: who attends the session is in the row until its time is
    // over.
    async Task<TerminalFacts?> Attend(
        TerminalSession session,
        Guid claudeSessionId,
        TerminalWait wait,
        bool renews,
        bool connects,
        bool? idle,
        TerminalOffer? offered,
        CancellationToken cancel
    )
    {
        while (true)
        {
            try
            {
                var facts = renews
                    ? await terminals.Attend(
                        session.Id,
                        claudeSessionId,
                        wait.Terminal!,
                        wait.Waiter,
                        connects,
                        idle,
                        Attendance,
                        cancel
                    )
                    : await terminals.Look(session.Id, claudeSessionId, wait.Waiter, cancel);
                if (facts is null || offered is not null && IsTaken(facts, offered))
                    return facts;

                // Of a turn that was over before it connected nobody knows that it was interrupted.
                if (!await turns.Settle(facts, ended: connects, isOfferLost: offered is null))
                    return facts;
            }
            catch (Exception down) when (PostgresErrors.IsFailure(down) && !cancel.IsCancellationRequested)
            {
                BackgroundLoop.LogFailure(log, "Attending a session", down);
                await Task.Delay(TimeSpan.FromSeconds(1), time, cancel);
            }
        }
    }

    async Task<TerminalOffer?> Claim(
        TerminalSession session,
        TerminalFacts facts,
        Guid waiter,
        CancellationToken cancel
    )
    {
        try
        {
            return await turns.Claim(session, facts, waiter, cancel);
        }
        catch (Exception down) when (PostgresErrors.IsFailure(down) && !cancel.IsCancellationRequested)
        {
            // Whether it was claimed is not known: the lease runs out.
            BackgroundLoop.LogFailure(log, "Claiming a turn for a terminal", down);
            return null;
        }
    }

    static bool IsTaken(TerminalFacts facts, TerminalOffer offered) =>
        facts.SinceAcknowledged is not null && facts.Held == offered.Turn;

    async Task Leave(TerminalSession session, Guid waiter, TerminalOffer? offered)
    {
        try
        {
            var taken =
                offered is not null
                && await terminals.GetFacts(session.Id, CancellationToken.None) is { } facts
                && IsTaken(facts, offered);
            if (offered is not null && !taken)
                await turns.Release(offered.Turn, "the terminal did not take it");
            await terminals.Disconnect(
                session.Id,
                waiter,
                taken || host.ApplicationStopping.IsCancellationRequested ? RearmTime : ReconnectTime,
                CancellationToken.None
            );
        }
        catch (Exception down) when (PostgresErrors.IsFailure(down))
        {
            // The lease and the attendance run out by themselves.
            BackgroundLoop.LogFailure(log, "Ending the attendance of a terminal", down);
        }
    }

    sealed class Connection(TerminalSession session, Guid claudeSessionId)
    {
        readonly Channel<bool> changes = Channel.CreateBounded<bool>(
            new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite }
        );

        public TerminalSession Session => session;

        public Guid ClaudeSessionId => claudeSessionId;

        public void NotifyChanged() => changes.Writer.TryWrite(true);

        public async Task WaitForChange(TimeSpan atMost, TimeProvider time, CancellationToken cancel)
        {
            using var timer = new CancellationTokenSource(atMost, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancel);
            try
            {
                await changes.Reader.ReadAsync(either.Token);
            }
            catch (OperationCanceledException)
            {
                // It is time to look, or to end.
            }
        }
    }
}
