using System.Globalization;
using System.Text;

namespace Wake.Cli;

/// <summary>Wake as a service of systemd, of its user's own manager.</summary>
static class SystemdUnit
{
    public const string Name = "wake.service";

    /// <summary>Everything, from facts alone.</summary>
    public static ServicePlan Plan(ServiceFacts facts)
    {
        var units = Path.Combine(facts.Config, "systemd", "user");
        var settings = Path.Combine(facts.Config, "wake", "service.env");

        return new(
            "systemd",
            new(Path.Combine(units, Name), PlannedFile.Readable, UnitText(facts, settings)),
            new(settings, PlannedFile.Private, SettingsText(facts.Data)),
            ManagerProbe: Systemctl("show", "--property=Version"),
            ManagerMissingHint: "There is no systemd that runs services for this user. In a container, make wake up "
                + "its process. After su or sudo, log in as the user instead, or once as root: loginctl enable-linger "
                + "USER, and set XDG_RUNTIME_DIR=/run/user/UID.",
            Start:
            [
                new(Systemctl("daemon-reload")),
                new(Systemctl("enable", Name)),
                // One that has failed too often is not started again before this.
                new(Systemctl("reset-failed", Name), CommandExpectation.MayFail),
                // Also what runs already: it may be another version.
                new(Systemctl("restart", Name)),
            ],
            Stop: [new(Systemctl("disable", "--now", Name))],
            AfterDelete:
            [
                new(Systemctl("daemon-reload")),
                new(Systemctl("reset-failed", Name), CommandExpectation.MayFail),
            ],
            ActiveProbe: Systemctl("is-active", "--quiet", Name),
            GeneratedFiles: [Path.Combine(units, "default.target.wants", Name)],
            PruneRoot: facts.Config,
            LogCommand: $"journalctl --user --unit {Name}",
            Note: "It runs while you are logged in. To have it run always: loginctl enable-linger"
        );
    }

    static IReadOnlyList<string> Systemctl(params IEnumerable<string> arguments) =>
        ["systemctl", "--user", .. arguments];

    static string UnitText(ServiceFacts facts, string settings)
    {
        // It refuses to start what is called so, however it is written.
        if (facts.Program[0].AsSpan().ContainsAny("\"'\\"))
            throw new CommandException(
                $"systemd starts no program with quotes or a backslash in its path: {facts.Program[0]}"
            );

        string[] command = [.. facts.Program, "up", "--data", facts.Data];
        var environment = facts.Environment.Select(x => $"Environment={Quoted($"{x.Key}={x.Value}")}\n");

        // The colon: no $ in a path stands for a variable.
        return ManagedFileChecksum.Stamp(
            $"""
            # {ManagedFileChecksum.HeaderLine(facts.Data)}
            # What you want otherwise: systemctl --user edit {Name}
            [Unit]
            Description=Wake, which wakes Claude sessions when something happens that they wait for
            StartLimitIntervalSec=300
            StartLimitBurst=5

            [Service]
            # Started is what serves.
            Type=notify
            ExecStart=:{string.Join(' ', command.Select(Quoted))}
            {string.Concat(environment)}EnvironmentFile=-{Escaped(settings)}
            TimeoutStartSec={Seconds(ServicePlan.StartTimeout)}
            Restart=on-failure
            RestartSec=5
            # Wake alone hears that it shall stop: PostgreSQL must outlive the turns that are written down in it.
            KillMode=mixed
            TimeoutStopSec={Seconds(ServicePlan.StopTimeout)}
            # A cgroup for each turn, which no tool of it leaves.
            Delegate=pids memory
            Environment=DOTNET_EnableDiagnostics=0
            # A tool of a turn that eats all memory ends alone.
            OOMPolicy=continue
            UMask=0077
            SyslogIdentifier=wake

            [Install]
            WantedBy=default.target

            """
        );
    }

    static string Seconds(TimeSpan time) => time.TotalSeconds.ToString(CultureInfo.InvariantCulture);

    static string SettingsText(string data) =>
        ManagedFileChecksum.Stamp(
            $"""
            # {ManagedFileChecksum.HeaderLine(data)}
            # Keys and settings of the service, a line NAME=value each. Nothing overwrites this file, and only its user can read it.
            # After a change: systemctl --user restart {Name}
            #
            # ANTHROPIC_API_KEY=
            # GitHub__Accounts__main__Token=

            """
        );

    static string Quoted(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (var one in Escaped(text))
            quoted.Append(one is '"' or '\\' ? $"\\{one}" : $"{one}");
        return quoted.Append('"').ToString();
    }

    // A percent sign begins what systemd fills in, quoted or not.
    static string Escaped(string text) =>
        text.Any(char.IsControl) || text.EndsWith('\\')
            ? throw new CommandException($"No unit of systemd can carry '{text}'.")
            : text.Replace("%", "%%", StringComparison.Ordinal);
}
