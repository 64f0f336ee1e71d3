using System.Text.Json;
using Microsoft.Extensions.Options;
using Npgsql;
using Wake.Contracts;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Gateway;

/// <summary>
/// Takes in what is dropped into the <see cref="SpoolFolder"/>. Killed between the commit and the deletion it reads the
/// file again, and the intake knows its events by their ids.
/// </summary>
sealed class SpoolReader(IOptions<LocalOptions> options, EventIngress door, ILogger<SpoolReader> log)
    : BackgroundService
{
    // As the sweepers look for what is due.
    static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(1);

    // A program that does not rename writes its file within this time; until then what cannot be read may become whole.
    static readonly TimeSpan PartialWriteTimeout = TimeSpan.FromSeconds(5);

    readonly SpoolFolder? spool = options.Value.Spool is { Length: > 0 } path ? new(path) : null;

    public override Task StartAsync(CancellationToken cancellationToken)
    {
        spool?.Create();
        return base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (spool is not null)
            await BackgroundLoop.Run(
                log,
                $"Taking in the events in {spool.FullPath}",
                ProcessFiles,
                PollInterval,
                TimeProvider.System,
                stoppingToken
            );

        async Task<TimeSpan> ProcessFiles(CancellationToken cancel)
        {
            foreach (var file in spool.ClaimFiles())
                await ProcessFile(spool, file, cancel);
            return PollInterval;
        }
    }

    async Task ProcessFile(SpoolFolder spool, FileInfo file, CancellationToken cancel)
    {
        try
        {
            var decisions = await door.Accept(SpoolFolder.IsWake(file) ? [ParseWake(file)] : ParseEvents(file), cancel);

            // It was meant for a session and has reached none: whoever dropped it is not there to be told.
            if (
                decisions.FirstOrDefault(x => x is { Outcome: IntakeOutcome.Unwatched, UnknownSessions: not null }) is
                { } lost
            )
                throw new InvalidSpoolFileException(
                    $"{lost.Id}: there is no open session {string.Join(", ", lost.UnknownSessions!)}."
                );

            file.Delete();
        }
        catch (JsonException)
            when (DateTime.UtcNow - file.LastWriteTimeUtc is var age
                && age < PartialWriteTimeout
                && age > -PartialWriteTimeout
            )
        {
            // Half of it is written: looked at again.
        }
        catch (JsonException wrong)
        {
            MoveToBad(spool, file, $"It is not JSON: {EventJson.DescribeError(wrong)}");
        }
        catch (InvalidSpoolFileException wrong)
        {
            MoveToBad(spool, file, wrong.Message);
        }
        catch (NpgsqlException refused) when (PostgresErrors.RejectionReason(refused) is { } why)
        {
            MoveToBad(spool, file, why);
        }
        catch (NpgsqlException failed) when (!PostgresErrors.IsTransient(failed))
        {
            // The store is not as it should be, which is not the file's fault, and may be mended: the others need not
            // wait.
            log.LogError("The file {File} has to wait: {Reason}", file.Name, failed.Message);
        }
        catch (IOException inUse)
        {
            // Its writer holds it, or a person took it away: the others need not wait.
            log.LogWarning("The file {File} has to wait: {Reason}", file.Name, inUse.Message);
        }
        catch (Exception unforeseen)
            when (!PostgresErrors.IsTransient(unforeseen) && unforeseen is not OperationCanceledException)
        {
            // Of another user, or what nobody thought of: it must not be in the way of the others for ever.
            MoveToBad(spool, file, $"It cannot be taken in: {unforeseen.Message}");
        }
    }

    static IReadOnlyList<ExternalEventObserved> ParseEvents(FileInfo file)
    {
        using var body = JsonDocument.Parse(ByteOrderMark.Skip(ReadFile(file).AsMemory()));
        if (EventBatch.Count(body.RootElement) is > EventLimits.MaxBatchSize and var count)
            throw new InvalidSpoolFileException(
                $"It has {count} events; {EventLimits.MaxBatchSize} are allowed in one file."
            );

        var (events, problems) = EventBatch.Parse(body.RootElement, "local:spool", file.Name);
        return problems is []
            ? events
            : throw new InvalidSpoolFileException(string.Join('\n', problems.Select(x => $"{x.Where}: {x.Problem}")));
    }

    // Its name is its identity, as of an event.
    static ExternalEventObserved ParseWake(FileInfo file)
    {
        var wake = SpooledWake.FromJson(ReadFile(file));
        return wake.Problem is { } problem
            ? throw new InvalidSpoolFileException(problem)
            : WakeRequested.Create(wake.Session, wake.Reason, wake.DedupKey) with
            {
                Id = file.Name,
            };
    }

    void MoveToBad(SpoolFolder spool, FileInfo file, string reason)
    {
        log.LogWarning("The file {File} is set aside: {Reason}", file.Name, reason);
        spool.MoveToBad(file, reason);
    }

    static byte[] ReadFile(FileInfo file)
    {
        if (file.LinkTarget is not null)
            throw new InvalidSpoolFileException("It is a link.");

        // For reading alone, a named pipe would not open before somebody writes to it.
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(file.FullName, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        using var stream = new FileStream(
            file.FullName,
            FileMode.Open,
            FileAccess.ReadWrite,
            FileShare.ReadWrite,
            bufferSize: 0
        );
        if (!stream.CanSeek)
            throw new InvalidSpoolFileException("It is no file.");
        if (stream.Length > SpoolFolder.MaxBytes)
            throw new InvalidSpoolFileException($"It is larger than {SpoolFolder.MaxBytes / 1024 / 1024} MB.");

        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    /// <summary>What was dropped cannot be taken in. The message says why.</summary>
    sealed class InvalidSpoolFileException(string reason) : Exception(reason);
}
