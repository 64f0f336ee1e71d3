using System.Text.Json;
using Wake.Contracts;
using Wake.Gateway;

namespace Wake.Cli;

/// <summary>Spools events for a Wake that does not run.</summary>
static class SpoolWriter
{
    /// <summary>Spools them and says so.</summary>
    /// <exception cref="CommandException">The events are invalid. Rejected now, because at delivery no caller is left
    /// to report to.</exception>
    public static void Write(SpoolFolder spool, byte[] body, Output output)
    {
        Validate(body);
        Report(spool.Put(body), output);
    }

    /// <summary>Spools a request and says so.</summary>
    /// <exception cref="CommandException">It would be refused then.</exception>
    public static void Write(SpoolFolder spool, SpooledWake wake, Output output) =>
        Report(wake.Problem is { } problem ? throw new CommandException(problem) : spool.Put(wake), output);

    static void Report(string file, Output output)
    {
        if (output.Json)
            output.Raw(new(file), CliJson.Default.SpoolResult);
        else
            output.Line($"Wake is not running. [yellow]Spooled[/] in {file} and delivered when it starts: wake up");
    }

    static void Validate(byte[] body)
    {
        if (body.Length > SpoolFolder.MaxBytes)
            throw new CommandException(
                $"That has more than {SpoolFolder.MaxBytes / 1024 / 1024} MB. Send it in parts."
            );

        try
        {
            using var json = JsonDocument.Parse(ByteOrderMark.Skip(body.AsMemory()));
            if (EventBatch.Count(json.RootElement) is > EventLimits.MaxBatchSize and var count)
                throw new CommandException($"{count} events; {EventLimits.MaxBatchSize} are allowed at once.");

            if (EventBatch.Parse(json.RootElement).Problems is { Count: > 0 } problems)
                throw new CommandException(string.Join('\n', problems.Select(x => $"{x.Where}: {x.Problem}")));
        }
        catch (JsonException wrong)
        {
            throw new CommandException($"That is not JSON: {EventJson.DescribeError(wrong)}");
        }
    }
}

/// <summary>Events that wait for Wake.</summary>
/// <param name="SpooledTo">The file they wait in.</param>
sealed record SpoolResult(string SpooledTo);
