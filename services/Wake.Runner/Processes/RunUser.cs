using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Options;
using Wake.ServiceDefaults;

namespace Wake.Runner;

/// <summary>
/// The user that <c>claude</c> runs as where <c>Runner__RunAs</c> names one. What lies in that user's folders may be a
/// link to anything, so the runner, which is root, does there only what that user may:
/// <see cref="Impersonate{T}(Func{T})"/>.
/// </summary>
public sealed class RunUser
{
    // Of Linux, by architecture: setgroups, setfsuid, setfsgid. The functions of libc change all threads.
    static readonly (long Groups, long User, long Group)? Calls = RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => (116, 122, 123),
        Architecture.Arm64 => (159, 151, 152),
        _ => null,
    };

    /// <summary>What root must be able to do, by the bits of the kernel. No more than containers have that are not
    /// privileged.</summary>
    internal static IReadOnlyList<(int Bit, string Name)> RequiredCapabilities { get; } =
    [(0, "CHOWN"), (1, "DAC_OVERRIDE"), (5, "KILL"), (6, "SETGID"), (7, "SETUID")];

    const long CurrentFolder = -100,
        FileAccessAt = 439;
    const int ByEffectiveUser = 0x200,
        CanWrite = 2;

    [ThreadStatic]
    static bool impersonating;

    RunUser(string name, uint id, uint group, string home, string shell) =>
        (Name, Id, Group, Home, Shell) = (name, id, group, home, shell);

    /// <summary>The one that was chosen; null when runs are the runner's own user's.</summary>
    public static RunUser? Current { get; private set; }

    /// <summary>The user of runs, where there is one: who else than the runner may own what the runner has made for
    /// runs.</summary>
    public static uint[] AllowedOwners => Current is { } user ? [user.Id] : [];

    public string Name { get; }

    /// <summary>Its number.</summary>
    public uint Id { get; }

    /// <summary>The number of its own group.</summary>
    public uint Group { get; }

    /// <summary>Its home, whether that exists or not.</summary>
    public string Home { get; }

    string Shell { get; }

    /// <summary>What goes before a command to run it as this user, without any of the runner's capabilities.</summary>
    public IReadOnlyList<string> CommandPrefix =>
        string.Create(
                CultureInfo.InvariantCulture,
                $"setpriv --reuid={Id} --regid={Group} --init-groups --inh-caps=-all --ambient-caps=-all"
            )
            .Split(' ');

    /// <summary>Why runs cannot be this user's, with what to do; null when they can.</summary>
    public static string? FindProblem(string? name)
    {
        if (name is null)
            return null;
        if (!OperatingSystem.IsLinux() || Calls is null)
            return "Runner__RunAs works on Linux (x64, arm64) only. Leave it out, or run the runner in a container.";
        if (!Environment.IsPrivilegedProcess)
            return $"Runner__RunAs={name} needs a runner that is root: only root can start a program as another "
                + "user. Start it as root, or leave the setting out.";
        if (Find(name) is not { } user)
            return $"Runner__RunAs: there is no user {name} on this machine. Make one (useradd --create-home "
                + $"{name}), or name another.";
        if (user.Id == 0)
            return $"Runner__RunAs={name} is root, which nothing is apart from. Make a user for the runs: useradd "
                + "--create-home agent.";
        if (
            Capabilities() is var has
            && RequiredCapabilities.Where(x => (has >> x.Bit & 1) == 0).Select(x => x.Name).ToList()
                is { Count: > 0 } missing
        )
            return $"Runner__RunAs={name}: root lacks the capabilities {string.Join(", ", missing)} here. "
                + "Give them to the container (cap_add).";

        return
            Environment.GetEnvironmentVariable("PATH")?.Split(':').Any(x => File.Exists(Path.Combine(x, "setpriv")))
            == true
            ? null
            : $"Runner__RunAs={name} needs setpriv, which comes with util-linux: apt-get install util-linux.";
    }

    /// <summary>Runs are this user's from now on.</summary>
    internal static void SetCurrent(string? name) => Current = name is null ? null : Find(name);

    /// <summary>A user of <c>/etc/passwd</c>.</summary>
    public static RunUser? Find(string name)
    {
        var account = File.ReadLines("/etc/passwd")
            .Select(x => x.Split(':'))
            .FirstOrDefault(x => x.Length > 6 && x[0] == name);
        return
            account is not null
            && uint.TryParse(account[2], CultureInfo.InvariantCulture, out var id)
            && uint.TryParse(account[3], CultureInfo.InvariantCulture, out var group)
            ? new(
                name,
                id,
                group,
                account[5] is { Length: > 0 } home ? home : "/",
                account[6] is { Length: > 0 } shell ? shell : "/bin/sh"
            )
            : null;
    }

    /// <summary>Puts this user's own in place of what the runner's environment says of its user.</summary>
    public void Apply(Dictionary<string, string> environment)
    {
        foreach (
            var name in environment
                .Keys.Where(x => x is "TMPDIR" or "SSH_AUTH_SOCK" || x.StartsWith("XDG_", StringComparison.Ordinal))
                .ToList()
        )
            environment.Remove(name);

        (environment["HOME"], environment["USER"], environment["LOGNAME"], environment["SHELL"]) = (
            Home,
            Name,
            Name,
            Shell
        );
        if (string.Create(CultureInfo.InvariantCulture, $"/run/user/{Id}") is var folder && Directory.Exists(folder))
            environment["XDG_RUNTIME_DIR"] = folder;
    }

    /// <summary>
    /// Looks at files, opens them or changes them as the user of runs, where there is one: no link leads where that
    /// user may not go. What is opened stays open. Nothing may be awaited in it, since it is this thread that changes.
    /// </summary>
    public static T Impersonate<T>(Func<T> act)
    {
        if (Current is not { } user || impersonating)
            return act();

        user.Enter();
        try
        {
            return act();
        }
        finally
        {
            Leave();
        }
    }

    /// <inheritdoc cref="Impersonate{T}(Func{T})" />
    public static void Impersonate(Action act) =>
        Impersonate(() =>
        {
            act();
            return true;
        });

    /// <summary>Whether the user of runs may write into a folder; null where there is none.</summary>
    public static bool? MayWrite(string folder) =>
        Current is null
            ? null
            : Impersonate(() => CallWithPath(FileAccessAt, CurrentFolder, folder, CanWrite, ByEffectiveUser) == 0);

    /// <summary>Whether something belongs to the user of runs; false where there is none.</summary>
    public static bool Owns(string path) => Current is { } user && FileIdentity.FromPath(path)?.UserId == user.Id;

    /// <summary>Gives a new file or folder of the runner's to the user of runs, where there is one.</summary>
    /// <exception cref="IOException">It could not be given.</exception>
    public static void Chown(string path)
    {
        if (Current is { } user && ChangeOwner(path, user.Id, user.Group) != 0)
            throw new IOException($"{path} cannot be given to {user.Name}: {Marshal.GetLastPInvokeErrorMessage()}.");
    }

    // Supplementary groups of root's let it read as well; the thread gets all of it back.
    void Enter()
    {
        impersonating = true;
        var (groups, user, group) = Calls!.Value;
        if (SystemCall(groups, 0, 0) != 0)
        {
            impersonating = false;
            throw new UnauthorizedAccessException($"The groups of {Name} cannot be taken on.");
        }

        _ = SystemCall(group, Group, 0);
        _ = SystemCall(user, Id, 0);

        // It answers with what was before, and never with a failure.
        if (SystemCall(user, -1, 0) == Id)
            return;

        Leave();
        throw new UnauthorizedAccessException($"The files of {Name} cannot be looked at as {Name}.");
    }

    static void Leave()
    {
        var (groups, user, group) = Calls!.Value;
        _ = SystemCall(user, OwnUser, 0);
        _ = SystemCall(group, OwnGroup, 0);
        _ = SetGroups(groups, OwnGroups.Length, OwnGroups);
        impersonating = false;
    }

    static ulong Capabilities() =>
        File.ReadLines("/proc/self/status").FirstOrDefault(x => x.StartsWith("CapEff:", StringComparison.Ordinal))
            is { } line
        && ulong.TryParse(
            line["CapEff:".Length..].Trim(),
            NumberStyles.HexNumber,
            CultureInfo.InvariantCulture,
            out var bits
        )
            ? bits
            : 0;

    static readonly uint OwnUser = EffectiveUser(),
        OwnGroup = EffectiveGroup();
    static readonly uint[] OwnGroups = Groups();

    static uint[] Groups()
    {
        var groups = new uint[Math.Max(0, GetGroups(0, []))];
        _ = GetGroups(groups.Length, groups);
        return groups;
    }

    [DllImport("libc", EntryPoint = "syscall")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern long SystemCall(long number, long first, nint second);

    [DllImport("libc", EntryPoint = "syscall")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern long SetGroups(long number, long count, [In] uint[] groups);

    [DllImport("libc", EntryPoint = "syscall", BestFitMapping = false, ThrowOnUnmappableChar = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern long CallWithPath(
        long number,
        long folder,
        [MarshalAs(UnmanagedType.LPUTF8Str)] string path,
        long mode,
        long flags
    );

    [DllImport(
        "libc",
        EntryPoint = "lchown",
        SetLastError = true,
        BestFitMapping = false,
        ThrowOnUnmappableChar = true
    )]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern int ChangeOwner([MarshalAs(UnmanagedType.LPUTF8Str)] string path, uint user, uint group);

    [DllImport("libc", EntryPoint = "geteuid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern uint EffectiveUser();

    [DllImport("libc", EntryPoint = "getegid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern uint EffectiveGroup();

    [DllImport("libc", EntryPoint = "getgroups")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern int GetGroups(int count, [Out] uint[] groups);
}

/// <summary>Whether the machine can do what <c>Runner__RunAs</c> says, when the runner starts.</summary>
sealed class RunUserValidation : IValidateOptions<RunnerOptions>
{
    public ValidateOptionsResult Validate(string? name, RunnerOptions options) =>
        RunUser.FindProblem(options.RunAs) is { } trouble
            ? ValidateOptionsResult.Fail(trouble)
            : ValidateOptionsResult.Success;
}
