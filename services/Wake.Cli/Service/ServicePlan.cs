namespace Wake.Cli;

/// <summary>
/// All that makes <c>wake up</c> a service of its user: files to write and commands to run, made from facts alone.
/// Whoever carries it out decides nothing any more, so <c>--dry-run</c> shows the truth.
/// </summary>
/// <param name="Manager">Who keeps the service: <c>systemd</c>, <c>launchd</c>.</param>
/// <param name="Service">The file that makes it one.</param>
/// <param name="Settings">A file for settings and keys, which is its user's from the first moment; null where there is
/// none.</param>
/// <param name="ManagerProbe">A command that succeeds when the manager is there for this user.</param>
/// <param name="ManagerMissingHint">What to do when it does not.</param>
/// <param name="Start">After the files are written.</param>
/// <param name="Stop">Before they are deleted.</param>
/// <param name="AfterDelete">After they are deleted.</param>
/// <param name="ActiveProbe">A command that succeeds while the service runs.</param>
/// <param name="GeneratedFiles">Files that the manager or the service makes beside.</param>
/// <param name="PruneRoot">The folder below which folders that have become empty go too.</param>
/// <param name="LogCommand">How to read what it writes.</param>
/// <param name="Note">What else to know after it is installed; null for nothing.</param>
sealed record ServicePlan(
    string Manager,
    PlannedFile Service,
    PlannedFile? Settings,
    IReadOnlyList<string> ManagerProbe,
    string ManagerMissingHint,
    IReadOnlyList<PlannedCommand> Start,
    IReadOnlyList<PlannedCommand> Stop,
    IReadOnlyList<PlannedCommand> AfterDelete,
    IReadOnlyList<string> ActiveProbe,
    IReadOnlyList<string> GeneratedFiles,
    string PruneRoot,
    string LogCommand,
    string? Note
)
{
    /// <summary>
    /// How long a service that is told to stop may take. Longer than a runner takes to interrupt its turns and write
    /// them down, and PostgreSQL to end after that.
    /// </summary>
    public static readonly TimeSpan StopTimeout = TimeSpan.FromMinutes(2);

    /// <summary>How long a start may take. After a power cut PostgreSQL replays its log, for up to five
    /// minutes.</summary>
    public static readonly TimeSpan StartTimeout = TimeSpan.FromMinutes(6);

    /// <summary>The plan for this system.</summary>
    public static ServicePlan Create(ServiceFacts facts) =>
        OperatingSystem.IsLinux() ? SystemdUnit.Plan(facts)
        : OperatingSystem.IsMacOS() ? LaunchdAgent.Plan(facts)
        : throw new CommandException(
            "wake service knows systemd and launchd. On this system, let something else keep wake up running."
        );
}

/// <summary>A file as it shall be.</summary>
sealed record PlannedFile(string Path, UnixFileMode Mode, string Content)
{
    /// <summary>For everybody to read and its owner to write.</summary>
    public const UnixFileMode Readable = Private | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    /// <summary>For its owner alone.</summary>
    public const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;
}

/// <summary>A program and its arguments, which pass through no shell.</summary>
/// <param name="Arguments">The program first.</param>
/// <param name="Expectation">What it is run for.</param>
sealed record PlannedCommand(
    IReadOnlyList<string> Arguments,
    CommandExpectation Expectation = CommandExpectation.MustSucceed
);

/// <summary>What a command is run for.</summary>
enum CommandExpectation
{
    MustSucceed,

    /// <summary>There may be nothing for it to do.</summary>
    MayFail,

    /// <summary>It is repeated until it no longer finds what it looks for.</summary>
    RepeatUntilFailure,
}
