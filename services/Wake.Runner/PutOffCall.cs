using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// A tool call that waits for a person without a process. The CLI puts a call off only when a hook says so, and a hook is asked
/// before the CLI knows whether it needs permission. So the process is killed while it waits for the answer, and its transcript
/// gets the row that the CLI writes for a hook: the next run, on any machine, takes the same call up again and asks again.
/// (The CLI knows no such way of its own; the row is the same in 2.1.197 and 2.1.329.)
/// </summary>
static class PutOffCall
{
    // The row follows the request within a tenth of a second; a disk that is busy may take longer.
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    // A person reads this; what is longer is a file's content.
    const int ShownText = 2000, ShownInAll = 32 * 1024;

    // What every row says about its surroundings.
    static readonly string[] Carried = ["isSidechain", "userType", "entrypoint", "cwd", "sessionId", "version", "gitBranch"];

    /// <summary>What a person is asked about it: long texts shortened, and what must be a secret taken out.</summary>
    public static AskedCall Asked(ControlRequest call, IReadOnlyDictionary<string, string> environment) => new(call.ToolUseId!, call.Tool!,
        JsonSerializer.Serialize(
            new PermissionAsked(call.Tool!, Shown(call.Input!, environment), call.Why is null ? null : Text(call.Why, environment)),
            JsonSerializerOptions.Web));

    /// <summary>Waits until the CLI has written the call down, within bounds.</summary>
    public static async Task Written(string transcript, ControlRequest call, TimeProvider time, CancellationToken cancel)
    {
        var id = Encoding.UTF8.GetBytes($"\"{call.ToolUseId}\"");
        var started = time.GetTimestamp();
        var (read, seen) = (0L, Array.Empty<byte>());

        while (time.GetElapsedTime(started) < Patience)
        {
            if (File.Exists(transcript))
            {
                await using var file = TranscriptFolder.Open(transcript);
                file.Position = read;
                var added = new byte[64 * 1024];
                while (await file.ReadAsync(added, cancel) is var count and > 0)
                {
                    seen = [.. seen, .. added.AsSpan(0, count)];
                    read += count;
                    if (seen.AsSpan().IndexOf(id) >= 0)
                        return;
                    seen = seen[^Math.Min(seen.Length, id.Length)..];
                }
            }

            await Task.Delay(Pause, time, cancel);
        }
    }

    /// <summary>
    /// Notes in the transcript of an ended process that its last call is put off. False: that is not its last call, or it has a
    /// result by now.
    /// </summary>
    public static async Task<bool> Mark(string transcript, ControlRequest call, TimeProvider time, CancellationToken cancel)
    {
        if (!File.Exists(transcript))
            return false;

        await using var file = new FileStream(transcript, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete, 1, useAsync: false);
        var lines = new OutputLines(file);
        var (whole, isLast, row) = (0L, false, new JsonObject());

        while (await lines.Next(cancel) is { } line && whole + line.Length < file.Length)
        {
            whole += line.Length + 1;
            using var json = Parse(line);
            if (json?.RootElement is not { ValueKind: JsonValueKind.Object } found || found.Text("uuid") is not { } uuid)
                continue;

            isLast = Blocks(found, "tool_use", "id").ToList() is [_, ..] calls ? calls is [var only] && only == call.ToolUseId
                : isLast && !Blocks(found, "tool_result", "tool_use_id").Contains(call.ToolUseId);
            row = new() { ["parentUuid"] = uuid };
            foreach (var name in Carried)
            {
                if (found.TryGetProperty(name, out var value))
                    row[name] = JsonNode.Parse(value.GetRawText());
            }
        }

        if (!isLast || lines.Skipped > 0)
            return false;

        row["type"] = "attachment";
        row["uuid"] = Guid.NewGuid().ToString();
        row["timestamp"] = time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", null);
        row["attachment"] = new JsonObject
        {
            ["type"] = "hook_deferred_tool", ["toolUseID"] = call.ToolUseId, ["toolName"] = call.Tool, ["toolInput"] = JsonNode.Parse(call.Input!),
            ["hookName"] = $"PreToolUse:{call.Tool}", ["hookEvent"] = "PreToolUse",
        };

        // Half a row may follow, cut off by the kill; nothing may be glued to it.
        file.SetLength(whole);
        file.Position = whole;
        await file.WriteAsync(Encoding.UTF8.GetBytes($"{row.ToJsonString()}\n"), cancel);
        return true;
    }

    static JsonDocument? Parse(ReadOnlyMemory<byte> line)
    {
        try
        {
            return JsonDocument.Parse(line);
        }
        catch (JsonException)
        {
            // SessionMemory judges that.
            return null;
        }
    }

    static IEnumerable<string?> Blocks(JsonElement row, string type, string id) =>
        row.Object("message") is { } message && message.TryGetProperty("content", out var content) && content.ValueKind is JsonValueKind.Array
            ? content.EnumerateArray().Where(x => x.ValueKind is JsonValueKind.Object && x.Text("type") == type).Select(x => x.Text(id))
            : [];

    static JsonElement Shown(string input, IReadOnlyDictionary<string, string> environment)
    {
        try
        {
            var shown = Shown(JsonNode.Parse(input), environment)?.ToJsonString() ?? "null";
            return shown.Length <= ShownInAll ? JsonElement.Parse(shown) : JsonSerializer.SerializeToElement(Text(shown, environment));
        }
        catch (Exception odd) when (odd is InvalidOperationException or ArgumentException)
        {
            // Half a character, or one field twice.
            return JsonSerializer.SerializeToElement(Text(input, environment));
        }
    }

    static JsonNode? Shown(JsonNode? value, IReadOnlyDictionary<string, string> environment) => value switch
    {
        JsonObject all => new JsonObject(all.Select(x => KeyValuePair.Create(x.Key, Shown(x.Value, environment)))),
        JsonArray all => new JsonArray([.. all.Select(x => Shown(x, environment))]),
        JsonValue one when one.GetValueKind() is JsonValueKind.String => Text(one.GetValue<string>(), environment),
        _ => value?.DeepClone(),
    };

    static string Text(string text, IReadOnlyDictionary<string, string> environment)
    {
        var redacted = Redaction.Redact(text, environment);
        if (redacted.Length <= ShownText)
            return redacted;

        var end = char.IsHighSurrogate(redacted[ShownText - 1]) ? ShownText - 1 : ShownText;
        return $"{redacted[..end]} [… {redacted.Length - end} more characters]";
    }
}
