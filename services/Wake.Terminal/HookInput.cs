using System.Text.Json;
using System.Text.Json.Serialization;

namespace Wake.Terminal;

/// <summary>What Claude Code tells a hook on its standard input, as far as it is needed here.</summary>
sealed record HookInput
{
    /// <summary>The event before a prompt is read.</summary>
    public const string UserPromptSubmit = "UserPromptSubmit";

    [JsonPropertyName("hook_event_name")]
    public string? Event { get; init; }

    [JsonPropertyName("session_id")]
    public string? SessionId { get; init; }

    [JsonPropertyName("transcript_path")]
    public string? TranscriptPath { get; init; }

    [JsonPropertyName("cwd")]
    public string? Workspace { get; init; }

    [JsonPropertyName("source")]
    public string? Source { get; init; }

    [JsonPropertyName("reason")]
    public string? Reason { get; init; }

    /// <summary>Of <c>StopFailure</c> a word for what failed.</summary>
    [JsonPropertyName("error")]
    public JsonElement Error { get; init; }

    [JsonPropertyName("prompt")]
    public string? Prompt { get; init; }

    /// <summary>Set when it is not the conversation's own turn that an event is about: a compaction that failed
    /// (2.1.329).</summary>
    [JsonPropertyName("agent_id")]
    public string? AgentId { get; init; }

    /// <summary>The Claude session; null when there is none.</summary>
    [JsonIgnore]
    public Guid? Session => Guid.TryParse(SessionId, out var id) ? id : null;

    /// <summary>Reads it; null when it is not what a hook is told.</summary>
    public static async Task<HookInput?> Read(CancellationToken cancel)
    {
        await using var input = Console.OpenStandardInput();
        try
        {
            return await JsonSerializer.DeserializeAsync(input, TerminalJson.Default.HookInput, cancel);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
