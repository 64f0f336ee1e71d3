using System.Diagnostics;
using System.Net;
using System.Text.Json;
using Wake.Contracts.Http;

namespace Wake.Terminal;

/// <summary>
/// Stays connected to Wake as long as a terminal has its session open: through restarts of Wake, and while none runs.
/// Meanwhile it tells when a turn begins or ends without a hook, and sends what the transcript has gained.
/// </summary>
/// <param name="claude">The <c>claude</c> beside which it waits.</param>
/// <param name="session">The session.</param>
/// <param name="transcript">Its transcript; null when that is not known.</param>
/// <param name="duringTurn">A turn has begun in this moment: the file in which <c>claude</c> says so may be
/// older.</param>
/// <param name="reads">The wake that this turn is about; null for another.</param>
sealed class TerminalWaiter(ClaudeProcess claude, Guid session, string? transcript, bool duringTurn, ReadMessage? reads)
{
    // How often it is looked whether the terminal is still there: a runner waits for its end.
    static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);

    static readonly TimeSpan QuickRetry = TimeSpan.FromMilliseconds(200),
        MinBackoff = TimeSpan.FromSeconds(1),
        MaxBackoff = TimeSpan.FromSeconds(30);

    // Wake sends a line every 15 s at the latest.
    static readonly TimeSpan ReadTimeout = TimeSpan.FromSeconds(45);

    static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(10);

    // By itself the first collection waits for as much garbage as the processor has cache, which may be hundreds of MB.
    const long MaxGarbage = 1024 * 1024;

    // What was read is written down by then.
    static readonly TimeSpan WritingTime = TimeSpan.FromSeconds(2);

    // The hook beside this one registers the session.
    static readonly TimeSpan RegistrationTime = TimeSpan.FromSeconds(5);

    // After that much the claim may be another's, and its holder is asked once more.
    static readonly TimeSpan AcknowledgementValidity = TimeSpan.FromSeconds(5);

    // The machine was asleep, or this process was stopped, and the connection may be dead without a sign of it.
    static readonly TimeSpan Suspension = TimeSpan.FromSeconds(30);

    readonly WakeAddress address = new(PluginSettings.Read());
    readonly AdmittedWake admitted = new(claude, session);

    // Another with every connection, so that Wake knows which one counts.
    Guid waiter = Guid.NewGuid();
    readonly long started = Stopwatch.GetTimestamp();
    bool? lastIdle = duringTurn ? false : null;
    DateTime told = duringTurn ? claude.StateTime : default;
    ReadMessage? reads = reads;
    long? idleSince;
    volatile bool isConnected;
    long collectedAt;

    /// <summary>Null when there is nothing more to wait for; else what the session reads.</summary>
    public async Task<string?> WaitForWake()
    {
        using var client = new TerminalClient(address, session);
        using var upload = new TranscriptUpload(client, claude.Name, session, transcript);
        using var connection = new Reconnecting();
        var (uploading, telling, backoff) = (Task.CompletedTask, Task.CompletedTask, MinBackoff);

        while (true)
        {
            if (claude.HasLeft())
            {
                TerminalFiles.WriteStatus(session, "");
                return null;
            }

            if (connection.IsDue(address.Version))
                connection.Begin(cancel => Listen(client, cancel), address.Version);

            if (connection.TakeEnding() is { } ended)
            {
                switch (ended)
                {
                    case Ending.Wake wake:
                        return wake.Text;
                    case Ending.InVain:
                        TerminalFiles.WriteStatus(session, "");
                        return null;
                    case Ending.Unknown when Stopwatch.GetElapsedTime(started) > RegistrationTime:
                        return null;
                }

                // One that has held may be taken up at once; one that never came about, later and later.
                backoff = ended is Ending.Failed ? Min(backoff * 2, MaxBackoff) : MinBackoff;
                if (ended is Ending.Failed && backoff == MaxBackoff)
                    TerminalFiles.WriteStatus(session, "");
                connection.RetryAfter(ended is Ending.Broken or Ending.Unknown ? QuickRetry : backoff);
            }

            if (isConnected)
            {
                // A wake waits for neither.
                if (uploading.IsCompleted)
                    uploading = Task.Run(() => upload.SendAppended(lastIdle is not true, CancellationToken.None));
                if (telling.IsCompleted)
                    telling = TellState(client);
            }

            CollectGarbage();
            var before = DateTime.UtcNow;
            await connection.WaitForEndOr(LookInterval);
            if (DateTime.UtcNow - before > Suspension)
                connection.Break();
        }
    }

    void CollectGarbage()
    {
        if (GC.GetTotalAllocatedBytes() - collectedAt < MaxGarbage)
            return;

        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        collectedAt = GC.GetTotalAllocatedBytes();
    }

    // Told anew whenever it was written anew: a turn that was shorter than a look has begun and ended meanwhile.
    async Task TellState(TerminalClient client)
    {
        if (
            await admitted.TellBegun(client, RequestTimeout, CancellationToken.None)
            && claude.IsIdle() is { } idle
            && claude.StateTime is var written
            && written != told
            && !MayStillBeWritten(idle)
            && await client.Post(
                "state",
                new TerminalState(claude.Name, waiter, idle) { Unread = idle && reads is { IsThere: false } },
                TerminalJson.Default.TerminalState,
                RequestTimeout,
                CancellationToken.None
            )
                is { } status
            && (int)status < 500
        )
        {
            (lastIdle, told) = (idle, written);
            if (idle)
                reads = null;
        }
    }

    bool MayStillBeWritten(bool idle)
    {
        if (reads is null || reads.Look() || !idle)
        {
            idleSince = null;
            return false;
        }

        return Stopwatch.GetElapsedTime(idleSince ??= Stopwatch.GetTimestamp()) < WritingTime;
    }

    async Task<Ending> Listen(TerminalClient client, CancellationToken cancel)
    {
        var connected = false;
        try
        {
            using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            bound.CancelAfter(ReadTimeout);
            if (!await admitted.TellBegun(client, RequestTimeout, bound.Token))
                return new Ending.Failed();

            waiter = Guid.NewGuid();
            var (idle, written) = (claude.IsIdle(), claude.StateTime);
            var isKnown = written == told;
            if (isKnown)
                idle = lastIdle;
            // Whether what began has been read is told with its end.
            else if (reads is not null)
                idle = null;
            using var response = await client.Send(
                HttpMethod.Post,
                "wait",
                TerminalClient.ToJson(
                    new TerminalWait(claude.Name, claude.Id, ClaudeProcess.Host, waiter, idle),
                    TerminalJson.Default.TerminalWait
                ),
                bound.Token
            );
            if (response is { StatusCode: HttpStatusCode.NotFound })
                return new Ending.Unknown();
            if (response is not { IsSuccessStatusCode: true })
                return new Ending.Failed();

            if (isKnown || reads is null)
                (lastIdle, told) = (idle, written);
            connected = isConnected = true;
            using var lines = new StreamReader(await response.Content.ReadAsStreamAsync(bound.Token));
            while (await lines.ReadLineAsync(bound.Token) is { } line)
            {
                bound.CancelAfter(ReadTimeout);
                if (await Take(line, client, bound.Token) is { } ending)
                    return ending;
            }

            return new Ending.Broken();
        }
        catch (Exception broken) when (TerminalClient.IsBroken(broken, CancellationToken.None))
        {
            return connected ? new Ending.Broken() : new Ending.Failed();
        }
        finally
        {
            isConnected = false;
        }
    }

    // Null when it goes on.
    async Task<Ending?> Take(string text, TerminalClient client, CancellationToken cancel)
    {
        if (text.Length == 0)
            return null;

        switch (JsonSerializer.Deserialize(text, TerminalJson.Default.TerminalLine))
        {
            case { Type: TerminalLine.Status } line:
                TerminalFiles.WriteStatus(session, line.Text ?? "");
                return null;

            case { Type: TerminalLine.End }:
                return new Ending.InVain();

            case { Type: TerminalLine.Wake, Text: { } reads, WakeNumber: { } number, Epoch: { } epoch }:
                // Whatever becomes of the connection: what was asked once has to be known.
                return await Acknowledge(client, number, epoch, reads) ? new Ending.Wake(reads) : new Ending.Refused();

            default:
                cancel.ThrowIfCancellationRequested();
                return null;
        }
    }

    // An answer that was lost says nothing, so it is asked for again until there is one. It comes as long as the turn
    // is this terminal's, and after that a refusal.
    async Task<bool> Acknowledge(TerminalClient client, int number, long epoch, string text)
    {
        for (var delay = MinBackoff; !claude.HasLeft(); delay = Min(delay * 2, MaxBackoff))
        {
            var asked = DateTime.UtcNow;
            var status = await client.Post(
                "acknowledge",
                new TerminalAcknowledgement(claude.Name, waiter, number, epoch),
                TerminalJson.Default.TerminalAcknowledgement,
                RequestTimeout,
                CancellationToken.None
            );
            if (status is HttpStatusCode.NoContent)
            {
                // What is said to a terminal that has left the session is read by the next one in it (2.1.329).
                if (DateTime.UtcNow - asked < AcknowledgementValidity)
                {
                    if (claude.HasLeft())
                        return false;

                    admitted.Admit(text, asked);
                    return true;
                }

                // It has slept since it asked.
                continue;
            }

            if (status is HttpStatusCode.Conflict or HttpStatusCode.NotFound or HttpStatusCode.BadRequest)
                return false;

            await Task.Delay(delay);
        }

        return false;
    }

    static TimeSpan Min(TimeSpan one, TimeSpan other) => one < other ? one : other;

    /// <summary>How a connection has ended.</summary>
    abstract record Ending
    {
        /// <summary>The session is to be woken, and that is acknowledged.</summary>
        public sealed record Wake(string Text) : Ending;

        /// <summary>Wake has said that it waits in vain.</summary>
        public sealed record InVain : Ending;

        /// <summary>Wake does not know the session.</summary>
        public sealed record Unknown : Ending;

        /// <summary>The wake that it was sent is another's by now.</summary>
        public sealed record Refused : Ending;

        /// <summary>It was there and is gone.</summary>
        public sealed record Broken : Ending;

        /// <summary>It never came about.</summary>
        public sealed record Failed : Ending;
    }

    /// <summary>One connection after the other.</summary>
    sealed class Reconnecting : IDisposable
    {
        CancellationTokenSource? stop;
        Task<Ending>? listening;
        DateTime version;
        long due = Stopwatch.GetTimestamp();

        /// <summary>How the last one has ended, once.</summary>
        public Ending? TakeEnding()
        {
            if (listening is not { IsCompleted: true } ended)
                return null;

            listening = null;
            stop?.Dispose();
            stop = null;
            return ended.IsCompletedSuccessfully ? ended.Result : new Ending.Failed();
        }

        /// <summary>Whether it is time for the next: a Wake that has just started is not kept waiting.</summary>
        public bool IsDue(DateTime now) => listening is null && (Stopwatch.GetTimestamp() >= due || now != version);

        public void Begin(Func<CancellationToken, Task<Ending>> listen, DateTime now)
        {
            (stop, version) = (new(), now);
            listening = listen(stop.Token);
        }

        public void RetryAfter(TimeSpan delay) =>
            due = Stopwatch.GetTimestamp() + (long)(delay.TotalSeconds * Stopwatch.Frequency);

        public void Break() => stop?.Cancel();

        /// <summary>Waits until it has ended or the next one is due, and that long at most.</summary>
        public async Task WaitForEndOr(TimeSpan most)
        {
            if (listening is not null)
                await Task.WhenAny(listening, Task.Delay(most));
            else if (Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), due) is { Ticks: > 0 } left)
                await Task.Delay(Min(left, most));
        }

        public void Dispose() => stop?.Dispose();
    }
}
