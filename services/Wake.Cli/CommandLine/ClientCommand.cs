using System.CommandLine;

namespace Wake.Cli;

/// <summary>A command that asks a running Wake.</summary>
/// <param name="name">The command's word.</param>
/// <param name="summary">What it does, in a line.</param>
/// <param name="more">The rest of its help.</param>
/// <param name="folder">The option that names the data folder; null for the usual one.</param>
abstract class ClientCommand(string name, string summary, string more, Option<string?>? folder = null)
    : WakeCommand(name, summary, more)
{
    readonly Option<string?> folder = folder ?? CommonOptions.Data;

    /// <summary>Does it, and says with which code the process ends.</summary>
    protected abstract Task<int> Execute(ParseResult given, WakeClient wake, Output output, CancellationToken cancel);

    /// <summary>Says what it takes beside what all of them take.</summary>
    protected void Accepts(params ReadOnlySpan<Symbol> own)
    {
        foreach (var symbol in own)
        {
            if (symbol is Option option)
                Add(option);
            else
                Add((Argument)symbol);
        }

        Add(folder);
        Add(CommonOptions.Output);
        SetAction(ExecuteWithClient);
    }

    /// <summary>Says on standard error how the next page of a list is asked for, if there is one.</summary>
    protected static void NoteNextPage(string command, ApiResponse answer)
    {
        if (answer.NextCursor is { } next)
            Output.Note($"There are more. With the same options: {command} --cursor {next}");
    }

    async Task<int> ExecuteWithClient(ParseResult given, CancellationToken cancel)
    {
        using var wake = new WakeClient(given.GetValue(folder));
        return await Execute(given, wake, new(given.GetValue(CommonOptions.Output) == "json"), cancel);
    }
}
