using System.CommandLine;

namespace Wake.Cli;

/// <summary>Every command of <c>wake</c>, and how a command line is read.</summary>
static class CommandTree
{
    /// <summary>Makes the root with all commands below it.</summary>
    public static RootCommand Make()
    {
        var root = new RootCommand("Resumes Claude Code sessions when events they watch occur.")
        {
            new UpCommand(),
            new ResumeCommand(),
            new PublishCommand(),
            new ReplayCommand(),
            new WatchCommand(),
            new WatchesCommand(),
            new UnwatchCommand(),
            new RoutesCommand(),
            new ScheduleCommand(),
            new McpCommand(),
            new PluginCommand(),
            new StatusLineCommand(),
            new InboxCommand(),
            new SessionsCommand(),
            new EventsCommand(),
            new PauseCommand(),
            new UnpauseCommand(),
            new PausesCommand(),
            new BreakersCommand(),
            new RunnersCommand(),
            new NotificationsCommand(),
            new NotifyCommand(),
            new QuestionsCommand(),
            new AnswerCommand(),
            new ExplainCommand(),
            new TailCommand(),
            new KeysCommand(),
            new DoctorCommand(),
            new OpenCommand(),
            new ConfigCommand(),
            new AuditCommand(),
            new RedriveCommand(),
            new MigrateCommand(),
            new ServiceCommand(),
        };

        WakeCommand.CompleteHelp(root);
        return root;
    }

    /// <summary>Reads a command line. There are no response files: a value that begins with @ is a value.</summary>
    public static ParseResult Parse(RootCommand root, IReadOnlyList<string> arguments) =>
        root.Parse(
            OptionValues.JoinValues(arguments, root),
            new() { ResponseFileTokenReplacer = null, EnablePosixBundling = false }
        );
}
