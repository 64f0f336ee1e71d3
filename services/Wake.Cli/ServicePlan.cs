namespace Wake.Cli;

/// <summary>
/// All that makes <c>wake up</c> a service of its user: files to write and commands to run, made from facts alone.
/// Whoever carries it out decides nothing any more, so <c>--dry-run</c> shows the truth.
/// </summary>
/// <param name="Manager">Who keeps the service: <c>systemd</c>, <c>launchd</c>.</param>
/// <param name="Service">The file that makes it one.</param>
/// <param name="Settings">A file for settings and keys, which is its user's from the first moment; null where there is
/// none.</param>
/// <param name="Serves">A command that succeeds when the manager is there for this user.</param>
/// <param name="WithoutManager">What to do when it does not.</param>
/// <param name="Start">After the files are written.</param>
/// <param name="Stop">Before they are deleted.</param>
/// <param name="Forget">After they are deleted.</param>
/// <param name="IsActive">A command that succeeds while the service runs.</param>
/// <param name="Leaves">Files that the manager or the service makes beside.</param>
/// <param name="Root">The folder below which folders that have become empty go too.</param>
/// <param name="Log">How to read what it writes.</param>
/// <param name="Note">What else to know after it is installed; null for nothing.</param>
sealed record ServicePlan(
    string Manager,
    PlannedFile Service,
    PlannedFile? Settings,
    IReadOnlyList<string> Serves,
    string WithoutManager,
    IReadOnlyList<PlannedCommand> Start,
    IReadOnlyList<PlannedCommand> Stop,
    IReadOnlyList<PlannedCommand> Forget,
    IReadOnlyList<string> IsActive,
    IReadOnlyList<string> Leaves,
    string Root,
    string Log,
    string? Note
)
{
    /// <summary>
    /// How long a service that is told to stop may take. Longer than a runner takes to interrupt its turns and write
    /// them down, and PostgreSQL to end after that.
    /// </summary>
    public static readonly TimeSpan StopsWithin = TimeSpan.FromMinutes(2);

    /// <summary>The plan for this system.</summary>
    public static ServicePlan For(ServiceFacts facts) =>
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
/// <param name="Until">What it is run for.</param>
sealed record PlannedCommand(IReadOnlyList<string> Arguments, Until Until = Until.Done);

/// <summary>What a command is run for.</summary>
enum Until
{
    /// <summary>It must succeed.</summary>
    Done,

    /// <summary>There may be nothing for it to do.</summary>
    Tried,

    /// <summary>It is repeated until it no longer finds what it looks for.</summary>
    Gone,
}
