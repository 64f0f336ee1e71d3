using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Text.Json;
using Microsoft.Extensions.Options;
using Npgsql;
using Wake.Contracts;
using Wake.ServiceDefaults;

namespace Wake.Gateway;

/// <summary>
/// A Unix socket for programs of the user this runs as: one event as JSON per line, answered by a line with the
/// decision, after the commit, or with what is wrong. An event need not name its source and id.
/// </summary>
sealed class EventSocket(IOptions<LocalOptions> options, EventIngress door, TimeProvider time, ILogger<EventSocket> log)
    : BackgroundService
{
    // One machine has few monitors.
    const int MaxConnections = 64;

    // A monitor keeps its connection while it has nothing to say, but not for ever: it may be gone without having
    // closed it.
    static readonly TimeSpan IdleTimeout = TimeSpan.FromHours(1);

    // Who begins a line ends it, and who is answered reads the answer.
    static readonly TimeSpan LineTimeout = TimeSpan.FromMinutes(1);

    readonly Lock mutex = new();
    readonly HashSet<Connection> connections = [];
    Socket? listener;

    public override Task StartAsync(CancellationToken cancellationToken)
    {
        if (options.Value.Socket is { Length: > 0 } path)
            listener = Listen(path);
        return base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // There may be no file descriptor left for one more connection.
        if (listener is not null)
            await BackgroundLoop.Run(
                log,
                "Accepting a connection to the socket",
                AcceptNext,
                TimeSpan.FromSeconds(1),
                time,
                stoppingToken
            );

        async Task<TimeSpan> AcceptNext(CancellationToken cancel)
        {
            var socket = await listener.AcceptAsync(cancel);

            // The permissions of the socket and of its folder are the first wall; a folder may be one that somebody
            // else has made.
            if (LocalUser.GetPeerUser(socket) is { } user && !LocalUser.IsTrusted(user))
            {
                log.LogWarning("A program of the user {User} was turned away at the socket.", user);
                socket.Dispose();
            }
            else
            {
                _ = ServeConnection(AddConnection(socket), cancel);
            }

            return TimeSpan.Zero;
        }
    }

    // Whoever comes finds room: where there is none, the connection ends that has been silent the longest.
    Connection AddConnection(Socket socket)
    {
        lock (mutex)
        {
            if (connections.Count >= MaxConnections)
            {
                var silent = connections.MinBy(x => (x.Answering, x.LastLine))!;
                connections.Remove(silent);
                silent.Socket.Dispose();
            }

            var added = new Connection(socket) { LastLine = time.GetTimestamp() };
            connections.Add(added);
            return added;
        }
    }

    public override void Dispose()
    {
        listener?.Dispose();
        base.Dispose();
    }

    static Socket Listen(string path)
    {
        PrivateDirectory.CreateIfMissing(Path.GetDirectoryName(path)!);
        if (File.Exists(path))
            DeleteStaleSocket(path);

        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(path));

        // Nobody can connect before it listens.
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        socket.Listen();
        return socket;
    }

    // A killed process leaves its socket behind, and nobody can listen where a file is.
    static void DeleteStaleSocket(string path)
    {
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException refused)
            when (refused.SocketErrorCode is SocketError.ConnectionRefused && new FileInfo(path).Length == 0)
        {
            File.Delete(path);
            return;
        }

        throw new InvalidOperationException($"Local:Socket: another process listens on {path}.");
    }

    async Task ServeConnection(Connection connection, CancellationToken cancel)
    {
        try
        {
            await using var stream = new NetworkStream(connection.Socket, ownsSocket: true);
            await ProcessLines(connection, stream, cancel);
        }
        catch (Exception gone) when (gone is IOException or OperationCanceledException or ObjectDisposedException)
        {
            // It has what it wanted, has made room for another, or Wake stops.
        }
        finally
        {
            lock (mutex)
                connections.Remove(connection);
        }
    }

    async Task ProcessLines(Connection connection, NetworkStream stream, CancellationToken cancel)
    {
        try
        {
            var lines = PipeReader.Create(stream);
            while (await ReadLine(lines, cancel) is { } line)
            {
                (connection.LastLine, connection.Answering) = (time.GetTimestamp(), true);
                if (line.AsSpan().ContainsAnyExcept(" \t\r"u8))
                    await WriteAnswer(stream, await AcceptLine(line, cancel), cancel);
                connection.Answering = false;
            }
        }
        catch (InvalidDataException wrong)
        {
            await WriteAnswer(stream, Problem(wrong.Message), cancel);
        }
    }

    async Task WriteAnswer(NetworkStream stream, byte[] answer, CancellationToken cancel)
    {
        using var patience = new CancellationTokenSource(LineTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancel);
        await stream.WriteAsync((byte[])[.. answer, (byte)'\n'], either.Token);
    }

    // Null at the end. The last line may lack its end.
    async Task<byte[]?> ReadLine(PipeReader lines, CancellationToken cancel)
    {
        using var patience = new CancellationTokenSource(IdleTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancel);
        for (var begun = false; ; )
        {
            var read = await Read();
            var end = read.Buffer.PositionOf((byte)'\n');
            var line = end is { } found ? read.Buffer.Slice(0, found) : read.Buffer;

            if (line.Length > EventLimits.MaxBytes)
                throw new InvalidDataException(
                    $"The line has more than {EventLimits.MaxBytes} bytes; the connection ends here."
                );

            if (end is not null || read.IsCompleted)
            {
                var bytes = end is null && line.IsEmpty ? null : line.ToArray();
                lines.AdvanceTo(end is { } at ? read.Buffer.GetPosition(1, at) : read.Buffer.End);
                return bytes;
            }

            lines.AdvanceTo(read.Buffer.Start, read.Buffer.End);
            if (!begun && !line.IsEmpty)
            {
                begun = true;
                patience.CancelAfter(LineTimeout);
            }

            async ValueTask<ReadResult> Read()
            {
                try
                {
                    return await lines.ReadAsync(either.Token);
                }
                catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
                {
                    throw new InvalidDataException(
                        begun
                            ? $"The line was begun {LineTimeout.TotalSeconds:0} seconds ago and is not ended; the "
                                + "connection ends here."
                            : $"Nothing was said for {IdleTimeout.TotalMinutes:0} minutes; the connection ends here."
                    );
                }
            }
        }
    }

    async Task<byte[]> AcceptLine(byte[] line, CancellationToken cancel)
    {
        try
        {
            using var body = JsonDocument.Parse(ByteOrderMark.Skip(line.AsMemory()));
            if (body.RootElement.ValueKind is JsonValueKind.Array)
                return Problem("One event per line, no array.");

            var (events, problems) = EventBatch.Parse(
                body.RootElement,
                "local:socket",
                Guid.CreateVersion7().ToString()
            );
            return problems is [var (_, problem), ..]
                ? Problem(problem)
                : JsonSerializer.SerializeToUtf8Bytes(
                    (await door.Accept(events, cancel))[0].ToContract(),
                    JsonSerializerOptions.Web
                );
        }
        catch (JsonException wrong)
        {
            return Problem($"The line is not JSON: {EventJson.DescribeError(wrong)}");
        }
        catch (NpgsqlException refused) when (PostgresErrors.RejectionReason(refused) is { } why)
        {
            return Problem(why);
        }
        catch (Exception failed) when (PostgresErrors.IsFailure(failed))
        {
            log.LogWarning("An event from the socket could not be committed: {Reason}", failed.Message);
            return Problem(
                "PostgreSQL does not answer, and whether the event was accepted is not known. "
                    + "Send it again: what has the same id is accepted once."
            );
        }
    }

    static byte[] Problem(string problem) => JsonSerializer.SerializeToUtf8Bytes(new { problem });

    sealed class Connection(Socket socket)
    {
        public Socket Socket => socket;

        /// <summary>When it said something last, or came.</summary>
        public long LastLine { get; set; }

        public volatile bool Answering;
    }
}
