using System.Text.Json;
using System.Text.Json.Serialization;

namespace Wake.Terminal;

/// <summary>
/// <c>wake-terminal statusline</c>: Claude Code's <c>statusLine</c> command. Prints the line that the waiting process
/// of the session was sent last, and nothing where there is none. It asks nobody: it runs again and again.
/// </summary>
static class StatusLineCommand
{
    public static int Run()
    {
        using var input = Console.OpenStandardInput();
        using var output = Console.OpenStandardOutput();
        if (
            JsonSerializer.Deserialize(input, TerminalJson.Default.StatusInput) is { SessionId: { } id }
            && Guid.TryParse(id, out var session)
            && TerminalFiles.ReadStatus(session) is { } text
        )
            output.Write(System.Text.Encoding.UTF8.GetBytes(FirstLine(text) + "\n"));

        return 0;
    }

    static string FirstLine(string text) =>
        text.AsSpan().Trim() is var line && line.IndexOfAny('\r', '\n') is >= 0 and var end
            ? line[..end].ToString()
            : text.Trim();
}

/// <summary>What Claude Code tells a status line, as far as it is needed here.</summary>
sealed record StatusInput([property: JsonPropertyName("session_id")] string? SessionId);
