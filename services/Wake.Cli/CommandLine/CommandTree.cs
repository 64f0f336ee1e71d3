using System.CommandLine;

namespace Wake.Cli;

/// <summary>Every command of <c>wake</c>, and how a command line is read.</summary>
static class CommandTree
{
    static readonly (string Name, Func<WakeCommand> Make)[] Commands =
    [
        ("up", () => new UpCommand()),
        ("resume", () => new ResumeCommand()),
        ("publish", () => new PublishCommand()),
        ("replay", () => new ReplayCommand()),
        ("watch", () => new WatchCommand()),
        ("watches", () => new WatchesCommand()),
        ("unwatch", () => new UnwatchCommand()),
        ("routes", () => new RoutesCommand()),
        ("schedule", () => new ScheduleCommand()),
        ("mcp", () => new McpCommand()),
        ("plugin", () => new PluginCommand()),
        ("statusline", () => new StatusLineCommand()),
        ("inbox", () => new InboxCommand()),
        ("sessions", () => new SessionsCommand()),
        ("events", () => new EventsCommand()),
        ("pause", () => new PauseCommand()),
        ("unpause", () => new UnpauseCommand()),
        ("pauses", () => new PausesCommand()),
        ("breakers", () => new BreakersCommand()),
        ("runners", () => new RunnersCommand()),
        ("notifications", () => new NotificationsCommand()),
        ("notify", () => new NotifyCommand()),
        ("questions", () => new QuestionsCommand()),
        ("answer", () => new AnswerCommand()),
        ("explain", () => new ExplainCommand()),
        ("tail", () => new TailCommand()),
        ("keys", () => new KeysCommand()),
        ("doctor", () => new DoctorCommand()),
        ("open", () => new OpenCommand()),
        ("config", () => new ConfigCommand()),
        ("audit", () => new AuditCommand()),
        ("redrive", () => new RedriveCommand()),
        ("migrate", () => new MigrateCommand()),
        ("service", () => new ServiceCommand()),
    ];

    /// <summary>Makes the root with all commands below it.</summary>
    public static RootCommand Make() => Make(Commands);

    /// <summary>
    /// Makes the root for one command line: with the command that it names alone, because to make them all takes longer
    /// than most of them do; with all where it names none.
    /// </summary>
    public static RootCommand MakeFor(IReadOnlyList<string> arguments) =>
        arguments is [var name, ..] && Array.Find(Commands, x => x.Name == name) is { Make: not null } named
            ? Make([named])
            : Make();

    /// <summary>Reads a command line. There are no response files: a value that begins with @ is a value.</summary>
    public static ParseResult Parse(RootCommand root, IReadOnlyList<string> arguments) =>
        root.Parse(
            OptionValues.JoinValues(arguments, root),
            new() { ResponseFileTokenReplacer = null, EnablePosixBundling = false }
        );

    static RootCommand Make((string Name, Func<WakeCommand> Make)[] commands)
    {
        var root = new RootCommand("Resumes Claude Code sessions when events they watch occur.");
        foreach (var (_, make) in commands)
            root.Add(make());

        WakeCommand.CompleteHelp(root);
        return root;
    }
}
