using System.Text.Json;
using System.Text.RegularExpressions;

namespace Wake.Tests.Support;

/// <summary>What the CLI, real or fake, has written down of a session.</summary>
public sealed partial record FakeTranscript(IReadOnlyList<JsonElement> Rows)
{
    /// <summary>The transcript of a session's newest Claude session.</summary>
    public static FakeTranscript Of(WakeSystem wake, Session session) =>
        Of(wake.ClaudeConfig, session.Workspace, session.ClaudeSessionId!.Value);

    public static FakeTranscript Of(string configFolder, string workspace, Guid claudeSession)
    {
        var path = Path.Combine(
            configFolder,
            "projects",
            NotAlphanumeric().Replace(workspace, "-"),
            $"{claudeSession}.jsonl"
        );
        return new([.. File.ReadLines(path).Where(x => x.Length > 0).Select(x => JsonElement.Parse(x))]);
    }

    /// <summary>What was said to the session, each message once per row it has.</summary>
    public IReadOnlyList<string> UserMessages =>
        [
            .. from row in Rows
            where row.GetProperty("type").GetString() == "user" && row.TryGetProperty("message", out _)
            let content = row.GetProperty("message").GetProperty("content")
            where content.ValueKind is JsonValueKind.String
            select content.GetString(),
        ];

    [GeneratedRegex("[^A-Za-z0-9]")]
    private static partial Regex NotAlphanumeric();
}
