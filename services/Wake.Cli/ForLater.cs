using System.Text.Json;
using Wake.Contracts;
using Wake.Gateway;

namespace Wake.Cli;

/// <summary>Keeps events for a Wake that does not run.</summary>
static class ForLater
{
    /// <summary>Keeps them and says so.</summary>
    /// <exception cref="CommandException">They would be refused then, when nobody is there to be told.</exception>
    public static void Keep(SpoolFolder spool, byte[] body, Output output)
    {
        Check(body);
        Tell(spool.Put(body), output);
    }

    /// <summary>Keeps a wish and says so.</summary>
    /// <exception cref="CommandException">It would be refused then.</exception>
    public static void Keep(SpoolFolder spool, SpooledWake wake, Output output) =>
        Tell(wake.Problem is { } problem ? throw new CommandException(problem) : spool.Put(wake), output);

    static void Tell(string file, Output output)
    {
        if (output.Json)
            output.Raw(new(file), CliJson.Default.KeptEvents);
        else
            output.Line($"Wake is not running. [yellow]Kept[/] in {file} and delivered when it starts: wake up");
    }

    static void Check(byte[] body)
    {
        if (body.Length > SpoolFolder.MaxBytes)
            throw new CommandException(
                $"That has more than {SpoolFolder.MaxBytes / 1024 / 1024} MB. Send it in parts."
            );

        try
        {
            using var json = JsonDocument.Parse(ByteOrderMark.Skip(body.AsMemory()));
            if (EventBatch.Count(json.RootElement) is > EventLimits.Batch and var count)
                throw new CommandException($"{count} events; {EventLimits.Batch} are allowed at once.");

            if (EventBatch.Read(json.RootElement).Problems is { Count: > 0 } problems)
                throw new CommandException(string.Join('\n', problems.Select(x => $"{x.Where}: {x.Problem}")));
        }
        catch (JsonException wrong)
        {
            throw new CommandException($"That is not JSON: {EventJson.WithoutTypeNames(wrong)}");
        }
    }
}

/// <summary>Events that wait for Wake.</summary>
/// <param name="KeptIn">The file they wait in.</param>
sealed record KeptEvents(string KeptIn);
