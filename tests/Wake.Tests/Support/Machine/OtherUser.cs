using System.Diagnostics;

namespace Wake.Tests.Support;

/// <summary>Another user of this machine, who is there while the test runs. Only root can make one.</summary>
public sealed class OtherUser : IDisposable
{
    // useradd gives up when another one has the file of passwords locked for long.
    static readonly Lock Accounts = new();

    OtherUser(string name) => Name = name;

    public string Name { get; }

    /// <summary>Null where this process may not make any.</summary>
    public static OtherUser? Create()
    {
        if (!Environment.IsPrivilegedProcess || !OperatingSystem.IsLinux())
            return null;

        var user = new OtherUser($"wt{Guid.NewGuid().ToString("N")[..12]}");
        lock (Accounts)
        {
            var (code, said) = Run("useradd", "--no-create-home", "--shell", "/bin/sh", user.Name);
            Assert.True(code == 0, said);
        }

        return user;
    }

    /// <summary>Runs a program as this user and returns how it ended and what it said.</summary>
    public (int Code, string Said) RunAs(string program, params string[] arguments)
    {
        using var process = StartAs(program, arguments);
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        Assert.True(process.WaitForExit(TimeSpan.FromSeconds(60)), program);
        return (process.ExitCode, output.Result + errors.Result);
    }

    /// <summary>Starts a program as this user.</summary>
    public Process StartAs(string program, params string[] arguments) =>
        Process.Start(
            new ProcessStartInfo(
                "setpriv",
                [$"--reuid={Name}", $"--regid={Name}", "--clear-groups", "--", program, .. arguments]
            )
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                WorkingDirectory = "/",
            }
        )!;

    public void Dispose()
    {
        lock (Accounts)
            Run("userdel", Name);
    }

    static (int Code, string Said) Run(string program, params string[] arguments)
    {
        using var process = Process.Start(
            new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true }
        )!;
        var said = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, said);
    }
}
