using System.Diagnostics;
using System.Globalization;

namespace Wake.Standalone;

/// <summary>Who PostgreSQL runs as when Wake runs as root, which PostgreSQL refuses: <c>postgres</c>, else
/// <c>nobody</c>.</summary>
sealed class UnprivilegedUser
{
    readonly string name;
    readonly string ids;

    UnprivilegedUser(string name, string uid, string gid)
    {
        this.name = name;
        ids = $"{uid}:{gid}";
        Id = uint.Parse(uid, CultureInfo.InvariantCulture);
        CommandPrefix = ["setpriv", $"--reuid={uid}", $"--regid={gid}", "--clear-groups", "--"];
    }

    /// <summary>The number of this user.</summary>
    public uint Id { get; }

    /// <summary>What to put in front of a command to run it as this user.</summary>
    public IReadOnlyList<string> CommandPrefix { get; }

    /// <summary>The user, if this process needs one.</summary>
    public static UnprivilegedUser? ForRoot()
    {
        if (OperatingSystem.IsWindows() || !Environment.IsPrivilegedProcess)
            return null;

        var accounts = File.ReadLines("/etc/passwd").Select(x => x.Split(':')).Where(x => x.Length > 3).ToList();
        foreach (var wanted in (string[])["postgres", "nobody"])
        {
            if (accounts.Find(x => x[0] == wanted) is { } account)
                return new(account[0], account[2], account[3]);
        }

        throw new StandaloneException(
            "PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody to run it as."
        );
    }

    /// <summary>Gives a file or folder to this user; of a link, the link itself.</summary>
    public void Chown(string path)
    {
        using var chown = Process.Start(new ProcessStartInfo("chown", ["--no-dereference", ids, path]))!;
        chown.WaitForExit();
        if (chown.ExitCode != 0)
            throw new StandaloneException($"{path} cannot be given to the user {name}, as whom PostgreSQL has to run.");
    }
}
