using System.CommandLine;

namespace Wake.Cli;

/// <summary>A command that asks a running Wake.</summary>
abstract class ClientCommand : Command
{
    readonly Option<string?> folder;

    /// <param name="name">The command's word.</param>
    /// <param name="description">What it does, with an example.</param>
    /// <param name="folder">The option that names the data folder; null for the usual one.</param>
    protected ClientCommand(string name, string description, Option<string?>? folder = null) : base(name, description)
    {
        this.folder = folder ?? CommonOptions.Data;
        Add(this.folder);
        Add(CommonOptions.Output);
        SetAction(Act);
    }

    /// <summary>Does it, and says with which code the process ends.</summary>
    protected abstract Task<int> Run(ParseResult given, WakeClient wake, Output output, CancellationToken cancel);

    async Task<int> Act(ParseResult given, CancellationToken cancel)
    {
        using var wake = new WakeClient(given.GetValue(folder));
        return await Run(given, wake, new(given.GetValue(CommonOptions.Output) == "json"), cancel);
    }
}
