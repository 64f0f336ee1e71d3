using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Wake.Testing;

namespace Wake.Tests.Support;

/// <summary>A shell in the place of <c>claude</c>, which starts the hooks of a session as that does.</summary>
sealed class HookProcess : IDisposable
{
    readonly TemporaryFolder folder = new();
    readonly Dictionary<string, string> environment;
    readonly List<Process> started = [];

    public HookProcess(Uri? wake = null)
    {
        environment = new()
        {
            ["HOME"] = folder.Path,
            ["CLAUDE_CONFIG_DIR"] = folder.File("claude"),
            ["CLAUDE_CODE_ENTRYPOINT"] = "cli",
            ["WAKE_DATA"] = Directory.CreateDirectory(folder.File("data")).FullName,
        };
        Directory.CreateDirectory(folder.File("claude/sessions"));
        if (wake is not null)
            Serve(wake, "wake_owner_first");
    }

    public Guid Session { get; } = Guid.NewGuid();

    public string Config => folder.File("claude");

    public string Workspace => folder.Path;

    public string Transcript => folder.File($"claude/projects/w/{Session:D}.jsonl");

    /// <summary>Variables of its hooks.</summary>
    public IDictionary<string, string> Environment => environment;

    /// <summary>Makes the data folder that of a Wake, as it does at its start.</summary>
    public void Serve(Uri url, string token)
    {
        File.WriteAllText(folder.File("data/token"), token);
        File.WriteAllText(folder.File("data/endpoint.new"), JsonSerializer.Serialize(new { Url = url, ProcessId = 1 }));
        File.Move(folder.File("data/endpoint.new"), folder.File("data/endpoint.json"), overwrite: true);
    }

    public string Input(string happened, params (string Name, string Value)[] more)
    {
        var input = new JsonObject
        {
            ["session_id"] = $"{Session}",
            ["transcript_path"] = Transcript,
            ["cwd"] = Workspace,
            ["hook_event_name"] = happened,
        };
        foreach (var (name, value) in more)
            input[name] = value;
        return input.ToJsonString();
    }

    /// <summary>Runs one to its end.</summary>
    public async Task<CommandOutput> Run(string verb, string input)
    {
        using var process = Start(verb, input);
        return await process.Output();
    }

    /// <summary>Runs several one after the other beside the same <c>claude</c>, or sleeps in between.</summary>
    public async Task<IReadOnlyList<CommandOutput>> RunInTurn(params (string Verb, string Input)[] hooks)
    {
        var name = folder.File($"hooks-{started.Count}");
        foreach (var (index, (verb, input)) in hooks.Index())
        {
            File.WriteAllText($"{name}.{index}.verb", verb);
            File.WriteAllText($"{name}.{index}.in", input);
        }

        var shell = StartShell(
            """
            i=0
            while [ "$i" -lt "$2" ]; do
              verb=$(cat "$1.$i.verb")
              case $verb in
                sleep*) $verb >"$1.$i.out" 2>"$1.$i.err" ;;
                *) "$0" "$verb" <"$1.$i.in" >"$1.$i.out" 2>"$1.$i.err" ;;
              esac
              echo $? >"$1.$i.code"
              i=$((i + 1))
            done
            """,
            name,
            hooks.Length.ToString(CultureInfo.InvariantCulture)
        );
        started.Add(shell);
        await Eventually.Holds(() => Task.FromResult(shell.HasExited), "the hooks end");
        return [.. hooks.Select((_, index) => ReadOutput($"{name}.{index}"))];
    }

    /// <summary>Starts one.</summary>
    /// <param name="verb">What it is told to do.</param>
    /// <param name="input">What it reads.</param>
    /// <param name="first">What happens when its parent is there and it is not.</param>
    /// <param name="times">How many.</param>
    public StartedHook Start(string verb, string input, Action<StartedHook>? first = null, int times = 1)
    {
        var name = folder.File($"hook-{started.Count}");
        var shell = StartShell(
            """
            while [ ! -e "$2.in" ]; do sleep 0.01; done
            for more in $3; do "$0" "$1" <"$2.in" & done
            "$0" "$1" <"$2.in" >"$2.out" 2>"$2.err" & echo $! >"$2.pid"; wait $!; echo $? >"$2.tmp"; mv "$2.tmp" "$2.code"; wait
            """,
            verb,
            name,
            string.Join(' ', Enumerable.Range(1, times - 1))
        );
        started.Add(shell);
        var hook = new StartedHook(shell, name);
        first?.Invoke(hook);
        File.WriteAllText($"{name}.new", input);
        File.Move($"{name}.new", $"{name}.in");
        return hook;
    }

    /// <summary>What one has said that has ended.</summary>
    public static CommandOutput ReadOutput(string name) =>
        new(
            int.Parse(File.ReadAllText($"{name}.code"), CultureInfo.InvariantCulture),
            File.ReadAllText($"{name}.out"),
            File.ReadAllText($"{name}.err")
        );

    // The program is $0, what is given follows.
    Process StartShell(string script, params string[] arguments)
    {
        var start = new ProcessStartInfo(
            "sh",
            ["-c", script, NativeTerminal.Executable.GetAwaiter().GetResult(), .. arguments]
        );
        start.Environment.Clear();
        start.Environment["PATH"] = System.Environment.GetEnvironmentVariable("PATH");
        foreach (var (variable, value) in environment)
            start.Environment[variable] = value;
        return Process.Start(start)!;
    }

    /// <summary>Lets a shell say of itself what <c>claude</c> does.</summary>
    public void Register(StartedHook hook, Guid? session = null, string status = "idle", string entrypoint = "cli")
    {
        var file = Path.Combine(Config, "sessions", $"{hook.Shell.Id.ToString(CultureInfo.InvariantCulture)}.json");
        File.WriteAllText(
            $"{file}.new",
            JsonSerializer.Serialize(
                new
                {
                    pid = hook.Shell.Id,
                    sessionId = session ?? Session,
                    status,
                    entrypoint,
                }
            )
        );
        File.Move($"{file}.new", file, overwrite: true);
    }

    public void Dispose()
    {
        foreach (var shell in started)
        {
            if (!shell.HasExited)
                shell.Kill(entireProcessTree: true);
            shell.WaitForExit();
            shell.Dispose();
        }

        folder.Dispose();
    }
}

/// <summary>A hook that was started.</summary>
/// <param name="Shell">Its parent.</param>
/// <param name="Name">What the files begin with that it reads and writes.</param>
sealed record StartedHook(Process Shell, string Name) : IDisposable
{
    public bool HasEnded => File.Exists($"{Name}.code");

    public Task<int> Id => MachineProcess.ReadProcessId($"{Name}.pid");

    /// <summary>What it has said, once it has ended.</summary>
    public async Task<CommandOutput> Output()
    {
        await Eventually.Holds(() => Task.FromResult(HasEnded), "the hook ends");
        return HookProcess.ReadOutput(Name);
    }

    // The shell belongs to whoever started it.
    public void Dispose() { }
}
