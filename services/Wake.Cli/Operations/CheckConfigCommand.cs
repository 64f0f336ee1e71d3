using System.CommandLine;
using Microsoft.Extensions.Configuration;
using Wake.ServiceDefaults;
using Wake.Standalone;

namespace Wake.Cli;

/// <summary><c>wake config check</c>: whether a file of settings can be used.</summary>
sealed class CheckConfigCommand : WakeCommand
{
    readonly Argument<string> file = new("FILE") { Description = "A file of settings, such as wake.json." };

    public CheckConfigCommand()
        : base(
            "check",
            "Looks for what is wrong in a file of settings, without using it.",
            """
            Exit code 0 when Wake can start with it; else 1, with a sentence for everything that is wrong. The environment does not count.

            Example:
              wake config check ~/.local/share/wake/wake.json
            """
        )
    {
        Add(file);
        SetAction(Execute);
    }

    int Execute(ParseResult given)
    {
        var path = Path.GetFullPath(given.GetValue(file)!);
        var problems = Problems(path);
        foreach (var problem in problems)
            Output.Note(problem);

        if (problems is [])
            Output.Note($"{path} can be used.");
        return problems is [] ? 0 : 1;
    }

    static List<string> Problems(string path)
    {
        try
        {
            var configuration = new ConfigurationBuilder()
                .AddJsonFile(path, optional: false, reloadOnChange: false)
                .Build();
            return [.. SettingsValidation.FindProblems(configuration, StandaloneHost.Sections)];
        }
        catch (Exception unreadable) when (unreadable is InvalidDataException or FileNotFoundException)
        {
            throw new CommandException($"{path} cannot be read: {unreadable.GetBaseException().Message}");
        }
    }
}
