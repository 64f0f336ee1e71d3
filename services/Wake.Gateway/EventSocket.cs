using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Text.Json;
using Microsoft.Extensions.Options;
using Npgsql;
using Wake.Contracts;
using Wake.Store;

namespace Wake.Gateway;

/// <summary>
/// A Unix socket for programs of this machine: one event as JSON per line, answered by a line with the decision, after the commit,
/// or with what is wrong. An event need not name its source and id.
/// </summary>
sealed class EventSocket(IOptions<LocalOptions> options, EventDoor door, ILogger<EventSocket> log) : BackgroundService
{
    // A monitor keeps its connection, and one machine has few.
    const int MaxConnections = 64;

    readonly SemaphoreSlim free = new(MaxConnections);
    Socket? listener;

    public override Task StartAsync(CancellationToken cancellationToken)
    {
        if (options.Value.Socket is { Length: > 0 } path)
            listener = Listen(path);
        return base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (listener is null)
            return;

        while (true)
        {
            await free.WaitAsync(stoppingToken);
            _ = Serve(await listener.AcceptAsync(stoppingToken), stoppingToken);
        }
    }

    public override void Dispose()
    {
        listener?.Dispose();
        base.Dispose();
    }

    static Socket Listen(string path)
    {
        OwnFolder.CreateMissing(Path.GetDirectoryName(path)!);
        if (File.Exists(path))
            DeleteLeftOver(path);

        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(path));

        // Nobody can connect before it listens.
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        socket.Listen();
        return socket;
    }

    // A killed process leaves its socket behind, and nobody can listen where a file is.
    static void DeleteLeftOver(string path)
    {
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException refused) when (refused.SocketErrorCode is SocketError.ConnectionRefused && new FileInfo(path).Length == 0)
        {
            File.Delete(path);
            return;
        }

        throw new InvalidOperationException($"Local:Socket: another process listens on {path}.");
    }

    async Task Serve(Socket socket, CancellationToken cancel)
    {
        await using var stream = new NetworkStream(socket, ownsSocket: true);
        try
        {
            var lines = PipeReader.Create(stream);
            while (await NextLine(lines, cancel) is { } line)
            {
                if (line.AsSpan().ContainsAnyExcept(" \t\r"u8))
                    await stream.WriteAsync((byte[])[.. await Answer(line, cancel), (byte)'\n'], cancel);
            }
        }
        catch (InvalidDataException tooLong)
        {
            await stream.WriteAsync((byte[])[.. Problem(tooLong.Message), (byte)'\n'], CancellationToken.None);
        }
        catch (Exception gone) when (gone is IOException or OperationCanceledException)
        {
            // It has what it wanted, or Wake stops.
        }
        finally
        {
            free.Release();
        }
    }

    // Null at the end. The last line may lack its end.
    static async Task<byte[]?> NextLine(PipeReader lines, CancellationToken cancel)
    {
        while (true)
        {
            var read = await lines.ReadAsync(cancel);
            var end = read.Buffer.PositionOf((byte)'\n');
            var line = end is { } found ? read.Buffer.Slice(0, found) : read.Buffer;

            if (line.Length > EventLimits.Bytes)
                throw new InvalidDataException($"The line has more than {EventLimits.Bytes} bytes; the connection ends here.");

            if (end is not null || read.IsCompleted)
            {
                var bytes = end is null && line.IsEmpty ? null : line.ToArray();
                lines.AdvanceTo(end is { } at ? read.Buffer.GetPosition(1, at) : read.Buffer.End);
                return bytes;
            }

            lines.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }

    async Task<byte[]> Answer(byte[] line, CancellationToken cancel)
    {
        try
        {
            using var body = JsonDocument.Parse(line);
            if (body.RootElement.ValueKind is JsonValueKind.Array)
                return Problem("One event per line, no array.");

            var (events, problems) = EventBatch.Read(body.RootElement, "local:socket", Guid.CreateVersion7().ToString());
            return problems is [var (_, problem), ..] ? Problem(problem)
                : JsonSerializer.SerializeToUtf8Bytes((await door.Accept(events, cancel))[0], JsonSerializerOptions.Web);
        }
        catch (JsonException wrong)
        {
            return Problem($"The line is not JSON: {EventJson.WithoutTypeNames(wrong)}");
        }
        catch (PostgresException refused) when (Intake.Refusal(refused) is { } why)
        {
            return Problem(why);
        }
        catch (Exception down) when (down is NpgsqlException or TimeoutException)
        {
            log.LogWarning("An event from the socket could not be committed: {Reason}", down.Message);
            return Problem("PostgreSQL does not answer, so nothing was accepted. Send it again.");
        }
    }

    static byte[] Problem(string problem) => JsonSerializer.SerializeToUtf8Bytes(new { problem });
}
