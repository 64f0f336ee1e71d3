using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Wake.Contracts.Http;
using Wake.Testing;

namespace Wake.Tests.Support;

/// <summary>A terminal that has a session open, as the plugin of Claude Code speaks for one, told what to do line by
/// line.</summary>
public sealed class ScriptedTerminal(WakeSystem wake, Guid claudeSession, string? workspace = null) : IAsyncDisposable
{
    static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    readonly string name = $"laptop/{Guid.NewGuid():N}";
    Guid claudeSession = claudeSession;
    HttpResponseMessage? connection;
    StreamReader? lines;

    public Guid Waiter { get; private set; }

    /// <summary>What a hook says, and what it is told.</summary>
    public async Task<TerminalHookAnswer> Hook(
        string happened,
        string? source = null,
        string? reason = null,
        string? prompt = null,
        bool register = false
    )
    {
        var answer = await Send(happened, source, reason, prompt, register);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return (await answer.Content.ReadFromJsonAsync<TerminalHookAnswer>(Json))!;
    }

    public Task<HttpResponseMessage> Send(
        string happened,
        string? source = null,
        string? reason = null,
        string? prompt = null,
        bool register = false
    ) =>
        Post(
            "hooks",
            new TerminalHook(name, 4711, "laptop", happened, workspace ?? "/tmp")
            {
                Source = source,
                Reason = reason,
                Prompt = prompt,
                Register = register,
            }
        );

    /// <summary>Is opened, and waits.</summary>
    public async Task<TerminalHookAnswer> Open(string source = "resume", bool register = false)
    {
        var answer = await Hook("SessionStart", source, register: register);
        await Wait(idle: true);
        return answer;
    }

    /// <summary>Goes on with another Claude session, as after /clear.</summary>
    public void Switch(Guid next) => claudeSession = next;

    /// <summary>Waits anew, as a waiter does that was just armed.</summary>
    public async Task Wait(bool? idle = null)
    {
        Hang();
        Waiter = Guid.NewGuid();
        var request = new HttpRequestMessage(HttpMethod.Post, Path("wait"))
        {
            Content = JsonContent.Create(new TerminalWait(name, 4711, "laptop", Waiter, idle), options: Json),
        };
        connection = await wake.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.True(connection.IsSuccessStatusCode, await Describe(connection));
        lines = new(await connection.Content.ReadAsStreamAsync());
        await Eventually.Holds(
            () => wake.Scalar<bool>("select exists (select from terminals where waiter = $1)", Waiter),
            "it is connected"
        );
    }

    /// <summary>The next line of a type.</summary>
    public async Task<TerminalLine> Line(string type)
    {
        while (true)
        {
            var text =
                await lines!.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(30))
                ?? throw new InvalidOperationException($"The connection ended before a line {type}.");
            if (JsonSerializer.Deserialize<TerminalLine>(text, Json)! is var line && line.Type == type)
                return line;
        }
    }

    public async Task<HttpStatusCode> Acknowledge(TerminalLine line) =>
        (
            await Post(
                "acknowledge",
                new TerminalAcknowledgement(name, Waiter, line.WakeNumber!.Value, line.Epoch!.Value)
            )
        ).StatusCode;

    /// <summary>Takes the next wake, and begins to read it: from the line to the hook, and the waiter that it
    /// arms.</summary>
    public async Task<TerminalLine> Take()
    {
        var line = await Line(TerminalLine.Wake);
        Assert.Equal(HttpStatusCode.NoContent, await Acknowledge(line));
        Hang();
        Assert.Null((await Hook("UserPromptSubmit", prompt: Notification(line))).Block);
        await Wait(idle: false);
        return line;
    }

    /// <summary>Its turn ends, and what was said is saved.</summary>
    public async Task Stop()
    {
        await Hook("Stop");
        Assert.Equal(HttpStatusCode.NoContent, await Save("{\"type\":\"assistant\"}\n"));
    }

    public static string Notification(TerminalLine line) =>
        $"<task-notification>\n<summary>Wake</summary>\n</task-notification>\n<system-reminder>\n{line.Text}\n</system-reminder>";

    public async Task State(bool idle, bool unread = false) =>
        (await Post("state", new TerminalState(name, Waiter, idle) { Unread = unread })).EnsureSuccessStatusCode();

    /// <summary>Saves a transcript as it stands there.</summary>
    public async Task<HttpStatusCode> Save(string transcript, int stored = 0, string path = "")
    {
        var bytes = Encoding.UTF8.GetBytes(transcript);
        var hash = Convert.ToHexStringLower(SHA256.HashData(bytes));
        var answer = await wake.Http.PostAsync(
            $"{Path("transcript")}?terminal={Uri.EscapeDataString(name)}&stored={stored}&bytes={bytes.Length}"
                + $"&rows={transcript.Count(x => x == '\n')}&sha256={hash}&path={Uri.EscapeDataString(path)}",
            new ByteArrayContent(bytes[stored..])
        );
        return answer.StatusCode;
    }

    /// <summary>The waiter's process is gone.</summary>
    public void Hang()
    {
        lines?.Dispose();
        connection?.Dispose();
        (lines, connection) = (null, null);
    }

    public ValueTask DisposeAsync()
    {
        Hang();
        return ValueTask.CompletedTask;
    }

    string Path(string what) => $"/v1/terminals/{claudeSession}/{what}";

    Task<HttpResponseMessage> Post<T>(string what, T body) => wake.Http.PostAsJsonAsync(Path(what), body, Json);

    static async Task<string> Describe(HttpResponseMessage answer) =>
        answer.IsSuccessStatusCode ? "" : await answer.Content.ReadAsStringAsync();
}
