using System.Globalization;
using System.Xml;
using System.Xml.Linq;

namespace Wake.Cli;

/// <summary>Wake as an agent of launchd, for as long as its user is logged in at the screen.</summary>
static class LaunchdAgent
{
    /// <summary>The agent's name.</summary>
    public const string Label = "dev.wake";

    /// <summary>Everything, from facts alone.</summary>
    public static ServicePlan Plan(ServiceFacts facts)
    {
        var agents = Path.Combine(facts.Home, "Library", "LaunchAgents");
        var file = Path.Combine(agents, $"{Label}.plist");
        var log = Path.Combine(facts.Home, "Library", "Logs", "wake.log");
        var (domain, agent) = ($"gui/{facts.UserId}", $"gui/{facts.UserId}/{Label}");

        // Ending takes its time, and launchd refuses to start what has not ended.
        PlannedCommand[] stop =
        [
            new(["launchctl", "bootout", agent], CommandExpectation.MayFail),
            new(["launchctl", "print", agent], CommandExpectation.RepeatUntilFailure),
        ];

        return new(
            "launchd",
            new(file, PlannedFile.Readable, PlistText(facts, log)),
            Settings: null,
            ManagerProbe: ["launchctl", "print", domain],
            ManagerMissingHint: "launchd keeps agents for users who are logged in at the screen, and you are not. "
                + "Log in there and install again.",
            Start: [.. stop, new(["launchctl", "enable", agent]), new(["launchctl", "bootstrap", domain, file])],
            Stop: stop,
            AfterDelete: [],
            ActiveProbe: ["launchctl", "print", agent],
            GeneratedFiles: [log],
            PruneRoot: agents,
            LogCommand: $"tail -f {log}",
            Note: "Keys that claude does not find by itself go into Claude:Environment of "
                + $"{Path.Combine(facts.Data, "wake.json")}."
        );
    }

    static string PlistText(ServiceFacts facts, string log)
    {
        string[] command = [.. facts.Program, "up", "--data", facts.Data];
        var plist = new XElement(
            "plist",
            new XAttribute("version", "1.0"),
            Dictionary(
                ("Label", Text(Label)),
                ("ProgramArguments", new("array", command.Select(Text))),
                (
                    "EnvironmentVariables",
                    Dictionary([
                        .. facts.Environment.Select(x => (x.Key, Text(x.Value))),
                        ("DOTNET_EnableDiagnostics", Text("0")),
                    ])
                ),
                ("WorkingDirectory", Text(facts.Home)),
                ("RunAtLoad", new("true")),
                // After a failure, and not after it was told to stop.
                ("KeepAlive", Dictionary(("SuccessfulExit", new XElement("false")))),
                // It has no limit to the number of starts; this is the one to their rate.
                ("ThrottleInterval", Number(30)),
                ("ExitTimeOut", Number((int)ServicePlan.StopTimeout.TotalSeconds)),
                // launchd reads it as a decimal number: 077.
                ("Umask", Number(63)),
                ("StandardOutPath", Text(log)),
                ("StandardErrorPath", Text(log))
            )
        );

        try
        {
            return ManagedFileChecksum.Stamp(
                $"""
                <?xml version="1.0" encoding="UTF-8"?>
                <!-- {ManagedFileChecksum.HeaderLine(facts.Data)} -->
                <!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
                {plist}

                """
            );
        }
        catch (Exception wrong) when (wrong is ArgumentException or XmlException)
        {
            throw new CommandException($"No agent of launchd can carry a path or variable of these: {wrong.Message}");
        }
    }

    static XElement Dictionary(params (string Key, XElement Value)[] entries) =>
        new("dict", entries.SelectMany(x => (XElement[])[new("key", x.Key), x.Value]));

    static XElement Text(string text) => new("string", text);

    static XElement Number(int number) => new("integer", number.ToString(CultureInfo.InvariantCulture));
}
