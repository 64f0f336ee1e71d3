using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Xml.Linq;
using Wake.Cli;
using Wake.Runner;
using Wake.Standalone;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

/// <summary><c>wake service</c>: the plan as data, and what carrying it out leaves on a machine.</summary>
[System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
[Trait("Starts", "processes")]
public sealed class KeepingItRunning
{
    static readonly string[] Names = ["HOME", "PATH", "TERM", "DISABLE_AUTOUPDATER"];

    static ServiceFacts Facts(string home, string program = "/opt/wake/wake") =>
        new(
            [program],
            Path.Combine(home, "100% \"mine\"/wake"),
            home,
            Path.Combine(home, ".config"),
            "501",
            ServiceFacts.Variables(
                name =>
                    name switch
                    {
                        "PATH" => $"{home}/bin:/usr/bin:relative::/usr/bin",
                        "CLAUDE_CONFIG_DIR" => $"{home}/$cfg",
                        "ANTHROPIC_API_KEY" => "sk-secret",
                        _ => null,
                    },
                home,
                "/usr/share/dotnet"
            )
        );

    static readonly Func<ServiceFacts, ServicePlan>[] Managers = [SystemdUnit.Plan, LaunchdAgent.Plan];

    [Fact]
    public void The_service_has_what_programs_need_and_no_secrets()
    {
        foreach (var plan in Managers.Select(x => x(Facts("/home/me"))))
        {
            Assert.All(Names, name => Assert.Contains(name, plan.Service.Content));
            Assert.Contains("/home/me/bin:/usr/bin", plan.Service.Content);
            Assert.DoesNotContain("relative", plan.Service.Content);
            Assert.DoesNotContain("sk-secret", plan.Service.Content + plan.Settings?.Content);
            Assert.Equal(PlannedFile.Private, plan.Settings?.Mode ?? PlannedFile.Private);
            Assert.DoesNotContain(
                plan.Start.Concat(plan.Stop),
                x => x.Arguments.Any(argument => argument is "sh" or "-c")
            );
        }
    }

    // Its diagnostics tell the environment, keys included, to whoever is the same user.
    [Fact]
    public void The_service_opens_no_door_for_debuggers()
    {
        var unit = SystemdUnit.Plan(Facts("/home/me")).Service.Content.Split('\n');
        Assert.Contains("Environment=DOTNET_EnableDiagnostics=0", unit);

        var agent = XDocument.Parse(LaunchdAgent.Plan(Facts("/Users/me")).Service.Content);
        Assert.Equal(
            "0",
            agent
                .Descendants("key")
                .Single(x => x.Value == "DOTNET_EnableDiagnostics")
                .ElementsAfterSelf()
                .First()
                .Value
        );
    }

    // Or no turn has a cgroup of its own, which what it leaves behind is found by.
    [Fact]
    public void The_unit_may_make_cgroups() =>
        Assert.Contains("Delegate=pids memory", SystemdUnit.Plan(Facts("/home/me")).Service.Content.Split('\n'));

    [Fact]
    public void It_gets_more_time_to_stop_than_it_takes() =>
        Assert.True(
            ServicePlan.StopTimeout > new ClaudeOptions().DrainTime + TimeSpan.FromSeconds(60),
            "PostgreSQL ends after the turns"
        );

    [Fact]
    public void It_gets_more_time_to_start_than_its_database_takes() =>
        Assert.True(ServicePlan.StartTimeout > PrivatePostgres.StartTimeout);

    // What is started by systemctl serves. Its PostgreSQL, which would report as well, is not the service.
    [Fact]
    public async Task Systemd_hears_when_it_serves_and_when_it_stops()
    {
        using var folder = new TemporaryFolder();
        using var manager = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        manager.Bind(new UnixDomainSocketEndPoint(folder.File("notify")));
        // Where this is root, PostgreSQL is another user, and could report all the same.
        File.SetUnixFileMode(folder.Path, File.GetUnixFileMode(folder.Path) | UnixFileMode.OtherExecute);
        File.SetUnixFileMode(folder.File("notify"), PlannedFile.Readable | UnixFileMode.OtherWrite);

        using var up = Process.Start(
            WakeCommandLine.Start(
                new Dictionary<string, string>
                {
                    ["Claude__Executable"] = WakeSystem.FakeClaude,
                    ["NOTIFY_SOCKET"] = folder.File("notify"),
                },
                "up",
                "--data",
                folder.File("data"),
                "--port",
                "0"
            )
        )!;
        try
        {
            Assert.Equal("READY=1", await Heard());
            Assert.True(File.Exists(folder.File("data/endpoint.json")));

            using (Process.Start("kill", ["-TERM", $"{up.Id}"])) { }
            Assert.Equal("STOPPING=1", await Heard());
            await up.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(30));
            Assert.Equal((0, 0), (up.ExitCode, manager.Available));
        }
        finally
        {
            up.Kill(entireProcessTree: true);
        }

        async Task<string> Heard()
        {
            using var bound = new CancellationTokenSource(TimeSpan.FromSeconds(60));
            var buffer = new byte[256];
            return Encoding.UTF8.GetString(buffer, 0, await manager.ReceiveAsync(buffer, bound.Token));
        }
    }

    [Fact]
    public async Task It_serves_also_where_it_has_inherited_the_address_of_a_systemd_that_is_not_there()
    {
        await using var wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string> { ["NOTIFY_SOCKET"] = "/nowhere/notify" }
        );

        Assert.Contains("systemd could not be notified", wake.Processes[0].Log);
    }

    [Fact]
    public void The_agent_of_launchd_is_a_property_list_with_these_keys()
    {
        var plan = LaunchdAgent.Plan(Facts("/Users/m & e"));
        var settings = new System.Xml.XmlReaderSettings { DtdProcessing = System.Xml.DtdProcessing.Ignore };
        using var reader = System.Xml.XmlReader.Create(new StringReader(plan.Service.Content), settings);
        var values = XDocument
            .Load(reader)
            .Root!.Element("dict")!
            .Elements("key")
            .ToDictionary(x => x.Value, x => x.ElementsAfterSelf().First());

        Assert.Equal("/Users/m & e/Library/LaunchAgents/dev.wake.plist", plan.Service.Path);
        Assert.Equal("dev.wake", values["Label"].Value);
        Assert.Equal(
            ["/opt/wake/wake", "up", "--data", "/Users/m & e/100% \"mine\"/wake"],
            values["ProgramArguments"].Elements("string").Select(x => x.Value)
        );
        Assert.Equal(
            ["<key>SuccessfulExit</key>", "<false />"],
            values["KeepAlive"].Elements().Select(x => x.ToString())
        );
        Assert.Equal("true", values["RunAtLoad"].Name.LocalName);
        Assert.Equal($"{ServicePlan.StopTimeout.TotalSeconds}", values["ExitTimeOut"].Value);
        Assert.Equal($"{Convert.ToInt32("077", 8)}", values["Umask"].Value);
        Assert.Equal("/Users/m & e/Library/Logs/wake.log", values["StandardErrorPath"].Value);
        Assert.Equal(
            "1",
            values["EnvironmentVariables"]
                .Elements("key")
                .Single(x => x.Value == "DISABLE_AUTOUPDATER")
                .ElementsAfterSelf()
                .First()
                .Value
        );
        Assert.Equal(["launchctl", "bootstrap", "gui/501", plan.Service.Path], plan.Start[^1].Arguments);
        Assert.Equal(ManagedFileState.Intact, ManagedFileChecksum.Verify(plan.Service.Content));
        Assert.Equal("/Users/m & e/100% \"mine\"/wake", ManagedFileChecksum.ReadDataFolder(plan.Service.Content));
    }

    [Fact]
    public async Task Systemd_finds_nothing_wrong_with_the_unit()
    {
        using var folder = new TemporaryFolder();
        var home = Directory.CreateDirectory(folder.File("100% $HOME 'me'")).FullName;
        var program = Path.Combine(Directory.CreateDirectory(folder.File("pro gram%s")).FullName, "wa$ke");
        File.Copy(Path.Combine(AppContext.BaseDirectory, "wake"), program);

        var unit = SystemdUnit.Plan(Facts(home, program)).Service;
        Directory.CreateDirectory(Path.GetDirectoryName(unit.Path)!);
        Assert.Equal("", await Verify(unit.Content));

        // It sees what is wrong, so its silence says something.
        Assert.Contains("OOMPolcy", await Verify(unit.Content.Replace("OOMPolicy", "OOMPolcy")));
        Assert.Contains("not executable", await Verify(unit.Content.Replace("wa$ke", "wa$$ke")));

        async Task<string> Verify(string text)
        {
            File.WriteAllText(unit.Path, text);
            var start = new ProcessStartInfo("systemd-analyze", ["--user", "verify", unit.Path])
            {
                RedirectStandardError = true,
            };
            (start.Environment["HOME"], start.Environment["XDG_CONFIG_HOME"]) = (home, Path.Combine(home, ".config"));
            start.Environment["XDG_RUNTIME_DIR"] = folder.Path;
            using var process = Process.Start(start)!;
            var said = await process.StandardError.ReadToEndAsync();
            await process.WaitForExitAsync();
            return process.ExitCode == 0 ? said : said + $"ended with {process.ExitCode}";
        }
    }

    [Theory]
    [InlineData("/home/me\nExecStartPre=/bin/evil")]
    [InlineData("/home/me\\")]
    public void A_path_that_no_unit_can_carry_is_refused(string path) =>
        Assert.Throws<CommandException>(() => SystemdUnit.Plan(Facts("/home/me") with { Data = path }));

    [Fact]
    public void A_program_that_systemd_would_not_start_is_refused() =>
        Assert.Throws<CommandException>(() => SystemdUnit.Plan(Facts("/home/me", "/opt/\"wake\"/wake")));

    [Fact]
    public async Task What_is_installed_is_gone_after_it_is_uninstalled()
    {
        using var machine = new Machine();

        var installed = await machine.Wake("service", "install", "--data", machine.Data);
        Assert.True(installed.ExitCode == 0, installed.Errors);
        Assert.Equal(PlannedFile.Readable, File.GetUnixFileMode(machine.Unit));
        Assert.Equal(PlannedFile.Private, File.GetUnixFileMode(machine.Settings));
        Assert.Contains("--user restart wake.service", machine.Ran);
        Assert.Equal(0, (await machine.Wake("service", "status")).ExitCode);

        var removed = await machine.Wake("service", "uninstall");
        Assert.True(removed.ExitCode == 0, removed.Errors);
        Assert.Empty(machine.Files());
        Assert.Equal(1, (await machine.Wake("service", "status")).ExitCode);
    }

    [Fact]
    public async Task Changes_by_hand_and_keys_stay()
    {
        using var machine = new Machine();
        await machine.Wake("service", "install", "--data", machine.Data);
        File.AppendAllText(machine.Settings, "ANTHROPIC_API_KEY=sk-mine\n");
        File.WriteAllText(machine.Unit, File.ReadAllText(machine.Unit).Replace("RestartSec=5", "RestartSec=50"));

        var again = await machine.Wake("service", "install", "--data", machine.Data);
        Assert.Equal(1, again.ExitCode);
        Assert.Contains("--force", again.Errors);
        Assert.Contains("RestartSec=50", File.ReadAllText(machine.Unit));
        Assert.True(
            JsonElement
                .Parse((await machine.Wake("service", "status", "--output", "json")).Output)
                .GetProperty("changedByHand")
                .GetBoolean()
        );

        Assert.Equal(0, (await machine.Wake("service", "install", "--data", machine.Data, "--force")).ExitCode);
        Assert.Contains("RestartSec=5\n", File.ReadAllText(machine.Unit));
        Assert.Contains("sk-mine", File.ReadAllText(machine.Settings));

        Assert.DoesNotContain("service.env", (await machine.Wake("service", "uninstall", "--dry-run")).Output);
        var removed = await machine.Wake("service", "uninstall");
        Assert.Contains(machine.Settings, removed.Errors);
        Assert.Equal([machine.Settings], machine.Files());
    }

    [Fact]
    public async Task A_unit_of_somebody_else_is_left_alone()
    {
        using var machine = new Machine();
        Directory.CreateDirectory(Path.GetDirectoryName(machine.Unit)!);
        File.WriteAllText(machine.Unit, "[Service]\nExecStart=/bin/true\n");

        Assert.Equal(1, (await machine.Wake("service", "install")).ExitCode);
        Assert.Equal(1, (await machine.Wake("service", "uninstall")).ExitCode);

        Assert.Equal("[Service]\nExecStart=/bin/true\n", File.ReadAllText(machine.Unit));
    }

    [Fact]
    public async Task A_dry_run_shows_what_an_install_writes_and_changes_nothing()
    {
        using var machine = new Machine();

        var shown = JsonElement.Parse(
            (await machine.Wake("service", "install", "--data", machine.Data, "--dry-run", "--output", "json")).Output
        );
        Assert.Empty(machine.Files());
        Assert.Equal("", machine.Ran);

        await machine.Wake("service", "install", "--data", machine.Data);
        var files = shown.GetProperty("writes").EnumerateArray().ToDictionary(x => x.GetProperty("path").GetString()!);
        Assert.Equal(machine.Files(), files.Keys.Order());
        Assert.All(files, x => Assert.Equal(File.ReadAllText(x.Key), x.Value.GetProperty("content").GetString()));
        Assert.Equal("0600", files[machine.Settings].GetProperty("mode").GetString());
        Assert.Equal(
            machine.Files().Order(),
            JsonElement
                .Parse((await machine.Wake("service", "uninstall", "--dry-run", "--output", "json")).Output)
                .GetProperty("deletes")
                .EnumerateArray()
                .Select(x => x.GetString()!)
                .Order()
        );
    }

    [Theory]
    [InlineData(null, "no systemd on this machine")]
    [InlineData("exit 1", "no systemd that runs services for this user")]
    public async Task Where_nobody_keeps_services_it_says_so_and_writes_nothing(string? manager, string sentence)
    {
        using var machine = new Machine(manager);

        var said = await machine.Wake("service", "install");

        Assert.Equal(1, said.ExitCode);
        Assert.Contains(sentence, said.Errors);
        Assert.Empty(machine.Files());
    }

    [Fact]
    public async Task Data_is_deleted_only_after_a_person_has_said_so()
    {
        using var machine = new Machine();
        Directory.CreateDirectory(Path.Combine(machine.Data, "postgres"));
        File.WriteAllText(Path.Combine(machine.Data, "notes.txt"), "mine");
        await machine.Wake("service", "install", "--data", machine.Data);
        File.AppendAllText(machine.Settings, "ANTHROPIC_API_KEY=sk-mine\n");

        var refused = await machine.Wake("service", "uninstall", "--purge");
        Assert.Equal(1, refused.ExitCode);
        Assert.True(File.Exists(machine.Unit));

        Assert.Equal(1, await machine.OnTerminal("n", "service", "uninstall", "--purge"));
        Assert.True(Directory.Exists(Path.Combine(machine.Data, "postgres")));

        Assert.Equal(0, await machine.OnTerminal("y", "service", "uninstall", "--purge"));
        Assert.Empty(machine.Files());
        Assert.False(Directory.Exists(Path.Combine(machine.Data, "postgres")));
        Assert.Equal("mine", File.ReadAllText(Path.Combine(machine.Data, "notes.txt")));
    }

    /// <summary>A user with an empty home, and a systemctl that notes what it is asked; null for none at all.</summary>
    sealed class Machine : IDisposable
    {
        readonly TemporaryFolder folder = new();
        readonly string programs;

        public Machine(string? systemctl = "exit 0")
        {
            programs = Directory.CreateDirectory(folder.File("bin")).FullName;
            foreach (var name in (string[])["id", "claude", "git"])
                Program(name, "exit 0");
            if (systemctl is not null)
            {
                // It runs from its restart to its disabling.
                Program(
                    "systemctl",
                    $"""
                    case "$*" in
                      *Version) {systemctl} ;;
                      *is-active*) grep -q restart "{folder.File(
                        "ran"
                    )}" 2>/dev/null && ! grep -q disable "{folder.File("ran")}"; exit ;;
                    esac
                    echo "$*" >>"{folder.File("ran")}"
                    """
                );
            }

            Directory.CreateDirectory(folder.File("home"));
        }

        public string Data => folder.File("home/data of mine");

        public string Unit => folder.File("home/.config/systemd/user/wake.service");

        public string Settings => folder.File("home/.config/wake/service.env");

        public string Ran => File.Exists(folder.File("ran")) ? File.ReadAllText(folder.File("ran")) : "";

        Dictionary<string, string> Environment =>
            new()
            {
                ["HOME"] = folder.File("home"),
                ["XDG_CONFIG_HOME"] = "",
                ["XDG_DATA_HOME"] = folder.File("home/.local/share"),
                ["PATH"] = programs,
                ["DOTNET_ROOT"] = Path.GetFullPath(
                    Path.Combine(System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory(), "../../..")
                ),
            };

        public Task<CommandOutput> Wake(params string[] arguments) => WakeCommandLine.Run(Environment, null, arguments);

        public async Task<int> OnTerminal(string answer, params string[] arguments)
        {
            var wake = WakeCommandLine.Start(Environment);
            var command = string.Join(' ', arguments.Prepend(wake.FileName).Select(x => $"'{x}'"));
            var start = new ProcessStartInfo("script", ["--quiet", "--return", "--command", command, "/dev/null"])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
            };
            start.Environment.Clear();
            foreach (var (name, value) in wake.Environment)
                start.Environment[name] = value;

            using var process = Process.Start(start)!;
            await process.StandardInput.WriteLineAsync(answer);
            await process.StandardInput.FlushAsync();
            await process.StandardOutput.ReadToEndAsync().WaitAsync(TimeSpan.FromSeconds(60));
            await process.WaitForExitAsync();
            return process.ExitCode;
        }

        public List<string> Files() =>
            [
                .. Directory
                    .GetFiles(folder.File("home"), "*", SearchOption.AllDirectories)
                    .Where(x => !x.StartsWith(Data, StringComparison.Ordinal))
                    .Order(),
            ];

        public void Dispose() => folder.Dispose();

        void Program(string name, string text)
        {
            var path = Path.Combine(programs, name);
            File.WriteAllText(path, $"#!/bin/sh\nPATH=/usr/bin:/bin\n{text}\n");
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        }
    }
}
