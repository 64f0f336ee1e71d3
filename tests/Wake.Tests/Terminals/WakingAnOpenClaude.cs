using System.Text.Json;
using Wake.Contracts.Http;
using Wake.Offline;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Terminals;

public sealed class WakingOpenClaude_2_1_329() : WakingAnOpenClaude(RealClaude.Current);

public sealed class WakingOpenClaude_2_1_197() : WakingAnOpenClaude(RealClaude.Old);

/// <summary>The real CLI in a real terminal, with the plugin as <c>wake plugin install</c> leaves it.</summary>
[Trait("Starts", "processes")]
public abstract class WakingAnOpenClaude(string version) : IAsyncLifetime
{
    const string Key = "sk-test-0123456789abcdefghij";

    readonly TemporaryFolder folder = new();
    readonly Guid id = Guid.NewGuid();
    MessagesApi api = null!;
    LoopbackTerminals wake = null!;
    Dictionary<string, string> environment = [];

    string Workspace => folder.File("work");

    public async Task InitializeAsync()
    {
        api = await MessagesApi.Start();
        wake = await LoopbackTerminals.Start();
        foreach (var name in (string[])["work", "data", "claude"])
            Directory.CreateDirectory(folder.File(name));
        File.WriteAllText(folder.File("data/token"), "wake_owner_x");
        File.WriteAllText(
            folder.File("data/endpoint.json"),
            JsonSerializer.Serialize(new { wake.Url, ProcessId = Environment.ProcessId })
        );
        environment = new(api.Login)
        {
            ["ANTHROPIC_API_KEY"] = Key,
            ["CLAUDE_CONFIG_DIR"] = folder.File("claude"),
            ["XDG_DATA_HOME"] = folder.File("share"),
            ["XDG_CACHE_HOME"] = folder.File("cache"),
            ["WAKE_DATA"] = folder.File("data"),
        };
        await InstalledPlugin.Install(version, environment, "--statusline");
        TmuxTerminal.Prepare(folder.File("claude"), Workspace, Key);
    }

    public async Task DisposeAsync()
    {
        await wake.DisposeAsync();
        await api.DisposeAsync();
        folder.Dispose();
    }

    [Fact]
    public async Task Every_wake_is_one_turn_in_the_open_session_and_what_is_half_typed_stays()
    {
        wake.Answer = new("The secret word is marzipan.", "Two turns while you were away", null);
        await using var terminal = await Open();
        await Eventually.Holds(async () => (await terminal.Screen()).Contains("Two turns while you were away"));

        await WakesWith("marigold happened", 1);
        Assert.True((await api.Next(x => x.IsInTail("marigold"))).IsInConversation("marzipan"));
        await Stopped(1);

        await terminal.TypeHalf("half-typed");
        await WakesWith("tulip happened", 2);
        await api.Next(x => x.IsInTail("tulip"));
        await Stopped(2);
        Assert.Contains("half-typed", await terminal.Screen());

        // Typed turns arm it, too.
        await terminal.Press("Enter");
        await api.Next(x => x.IsInTail("half-typed"));
        await Stopped(3);
        await WakesWith("petunia happened", 3);
        await api.Next(x => x.IsInTail("petunia"));
        await Stopped(4);

        var hooks = wake.Of("hooks").Select(x => x.As<TerminalHook>()).ToList();
        Assert.Equal(
            ["marigold", "tulip", null, "petunia"],
            hooks
                .Where(x => x.Event == "UserPromptSubmit")
                .Select(x => x.Prompt is { } text ? Flowers.Single(text.Contains) : null)
        );
        Assert.All(hooks, x => Assert.Equal(terminal.Id, x.ProcessId));
        Assert.Single(hooks.Select(x => x.Terminal).Distinct());
        await IsStored();
        foreach (var flower in Flowers)
            Assert.Single(Rows("user"), x => x.Contains($"{flower} happened"));
        Assert.Equal(1, wake.Waiting);
    }

    [Fact]
    public async Task A_turn_that_is_interrupted_is_told_and_a_terminal_that_is_closed_is_attended_no_more()
    {
        await using var terminal = await Open();
        await terminal.Type("[[hold:thinking]] Think for long.");
        await Eventually.Holds(() => Task.FromResult(Event("UserPromptSubmit") == 1));
        await Eventually.Holds(() => Task.FromResult(States is [.., false]));

        await terminal.Press("Escape");
        await Eventually.Holds(() => Task.FromResult(States is [.., true]));
        Assert.Equal(0, Event("Stop"));

        await terminal.Close();
        await Eventually.Holds(() => Task.FromResult(wake.Waiting == 0), "nobody attends the session");
        await Eventually.Holds(() => Task.FromResult(Event("SessionEnd") == 1));
    }

    [Fact]
    public async Task Left_with_clear_it_is_another_session_that_is_attended()
    {
        await using var terminal = await Open();

        await terminal.Type("/clear");

        await Eventually.Holds(() =>
            Task.FromResult(wake.Of("wait") is [.., var last] && last.Session != id && wake.Waiting == 1)
        );
        await WakesWith("marigold happened", 1);
        await api.Next(x => x.IsInTail("marigold"));
    }

    [Fact]
    public async Task What_waits_shows_in_the_status_line()
    {
        await using var terminal = await Open();

        await wake.Send(new(TerminalLine.Status, "wake: 3 notes"));

        await Eventually.Holds(async () => (await terminal.Screen()).Contains("wake: 3 notes"));
    }

    static readonly string[] Flowers = ["marigold", "tulip", "petunia"];

    IReadOnlyList<bool> States => [.. wake.Of("state").Select(x => x.As<TerminalState>().Idle)];

    async Task<RealTerminal> Open()
    {
        var terminal = await RealTerminal.Open(version, Workspace, environment, "--session-id", $"{id}");
        await Eventually.Holds(() => Task.FromResult(wake.Waiting == 1), "the session is attended");
        return terminal;
    }

    async Task WakesWith(string text, int number)
    {
        await Eventually.Holds(() => Task.FromResult(wake.Waiting == 1), "the session is attended");
        await wake.Wake(text, number);
    }

    Task Stopped(int times) => Eventually.Holds(() => Task.FromResult(Event("Stop") == times), $"{times} turns end");

    int Event(string name) => wake.Of("hooks").Count(x => x.As<TerminalHook>().Event == name);

    string[] Rows(string type) =>
        [
            .. System
                .Text.Encoding.UTF8.GetString(wake.Stored[""])
                .Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Where(x => (string?)JsonElement.Parse(x).GetProperty("type").GetString() == type),
        ];

    async Task IsStored()
    {
        var transcript = Directory.GetFiles(folder.File("claude/projects"), $"{id}.jsonl", SearchOption.AllDirectories);
        await Eventually.Holds(
            () =>
                Task.FromResult(
                    wake.Stored.TryGetValue("", out var stored)
                        && stored.SequenceEqual(File.ReadAllBytes(transcript.Single()))
                ),
            "the transcript is stored"
        );
    }
}
