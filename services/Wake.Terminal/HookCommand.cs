using System.Text.Json;
using System.Text.Json.Serialization;
using Wake.Contracts.Http;

namespace Wake.Terminal;

/// <summary>
/// <c>wake-terminal hook</c>: tells Wake of what happens in a terminal, and the session what Wake has to say to it. The
/// person waits for it, so it gives up soon.
/// </summary>
static class HookCommand
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    // Claude Code ends the hooks of a session's end after 1.5 s.
    static readonly TimeSpan PatienceAtEnd = TimeSpan.FromSeconds(1);

    // How the CLI begins the prompt that it makes from a wake. The summary is the one in hooks.json.
    const string NotificationStart = "<task-notification>",
        Summary = "<summary>Event from Wake</summary>";

    // What Wake takes. The CLI cuts the text of a wake at this length, and puts some of its own around it.
    const int MaxPrompt = 100_000;

    public static async Task<int> Run()
    {
        if (!Variables.IsPersonsSession)
            return 0;

        // A read of standard input does not end with its cancellation, and is left behind.
        using var bound = new CancellationTokenSource(Patience);
        var work = Task.Run(() => Tell(bound));
        await Task.WhenAny(work, Task.Delay(Patience));
        if (work is { IsCompletedSuccessfully: true, Result: { } output })
        {
            await using var console = Console.OpenStandardOutput();
            await console.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(output, TerminalJson.Readable.HookOutput));
        }

        return 0;
    }

    static async Task<HookOutput?> Tell(CancellationTokenSource bound)
    {
        var cancel = bound.Token;
        if (await HookInput.Read(cancel) is not { AgentId: null, Event: { } happened, Session: { } session } input)
            return null;
        if (happened == "SessionEnd")
            bound.CancelAfter(PatienceAtEnd);

        var claude = new ClaudeProcess(session);
        var admitted = new AdmittedWake(claude, session);
        var prompt = input.Prompt is { } said && IsWake(said) ? said : null;
        if (happened == HookInput.UserPromptSubmit && prompt is not null && admitted.Begin(prompt))
            return null;
        if (claude.IsOther)
            return null;

        admitted.Revoke();

        var settings = PluginSettings.Read();
        var address = new WakeAddress(settings);
        using var client = new TerminalClient(address, session);
        var hook = new TerminalHook(claude.Name, claude.Id, ClaudeProcess.Host, happened, input.Workspace)
        {
            Source = input.Source,
            Reason = input.Reason ?? Text(input.Error),
            Prompt = prompt?[..Math.Min(prompt.Length, MaxPrompt)],
            // Elsewhere it is for whoever runs that Wake to say.
            Register = settings.Register ?? address.IsOwn,
        };

        // What is told after a turn and before its beginning would be told of another turn.
        if (!await admitted.TellBegun(client, Patience, cancel))
            return null;

        var (answer, isUnknown) = await Ask(client, hook, cancel);
        if (isUnknown && hook.Register && happened == HookInput.UserPromptSubmit)
        {
            // Wake was started, or the plugin installed, after the terminal.
            await Ask(client, hook with { Event = "SessionStart", Source = "startup", Prompt = null }, cancel);
            (answer, _) = await Ask(client, hook, cancel);
        }

        return answer is null ? null : HookOutput.For(happened, answer);
    }

    static async Task<(TerminalHookAnswer? Answer, bool IsUnknown)> Ask(
        TerminalClient client,
        TerminalHook hook,
        CancellationToken cancel
    )
    {
        using var response = await client.Send(
            HttpMethod.Post,
            "hooks",
            TerminalClient.ToJson(hook, TerminalJson.Default.TerminalHook),
            cancel
        );
        if (response is not { IsSuccessStatusCode: true })
            return (null, response is { StatusCode: System.Net.HttpStatusCode.NotFound });

        await using var body = await response.Content.ReadAsStreamAsync(cancel);
        return (await JsonSerializer.DeserializeAsync(body, TerminalJson.Default.TerminalHookAnswer, cancel), false);
    }

    /// <summary>Whether the CLI has made a prompt from a wake.</summary>
    public static bool IsWake(string prompt) =>
        prompt.StartsWith(NotificationStart, StringComparison.Ordinal)
        && prompt.AsSpan(NotificationStart.Length).TrimStart().StartsWith(Summary, StringComparison.Ordinal);

    static string? Text(JsonElement error) => error.ValueKind is JsonValueKind.String ? error.GetString() : null;
}

/// <summary>What a hook prints for Claude Code.</summary>
sealed record HookOutput
{
    [JsonPropertyName("hookSpecificOutput")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public HookSpecificOutput? Specific { get; init; }

    /// <summary>A line for the person.</summary>
    [JsonPropertyName("systemMessage")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Message { get; init; }

    [JsonPropertyName("decision")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Decision { get; init; }

    [JsonPropertyName("reason")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Reason { get; init; }

    /// <summary>Null when there is nothing to say.</summary>
    /// <param name="happened">The event. Two take a context for the model, one can be refused.</param>
    /// <param name="answer">What Wake says.</param>
    public static HookOutput? For(string happened, TerminalHookAnswer answer)
    {
        var context = happened is "SessionStart" or HookInput.UserPromptSubmit ? answer.Context : null;
        var block = happened is HookInput.UserPromptSubmit ? answer.Block : null;
        return context is null && block is null && answer.Message is null
            ? null
            : new()
            {
                Specific = context is null ? null : new(happened, context),
                Message = answer.Message,
                Decision = block is null ? null : "block",
                Reason = block,
            };
    }
}

/// <summary>The part of it that is the event's own.</summary>
sealed record HookSpecificOutput(
    [property: JsonPropertyName("hookEventName")] string Event,
    [property: JsonPropertyName("additionalContext")] string Context
);
