using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// A tool call that waits for a person without a process. The CLI puts a call off only when a hook says so, and a hook
/// is asked before the CLI knows whether it needs permission. So the process is killed while it waits for the answer,
/// and its transcript gets the row that the CLI writes for a hook: the next run, on any machine, takes the same call up
/// again and asks again. (The CLI knows no such way of its own; the row is the same in 2.1.197 and 2.1.329.)
/// </summary>
static class DeferredToolCall
{
    // The row follows the request within a tenth of a second; a disk that is busy may take longer.
    static readonly TimeSpan WriteTimeout = TimeSpan.FromSeconds(10);

    static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(20);

    // A person reads this; what is longer is a file's content.
    const int MaxShownText = 2000,
        MaxShownInput = 32 * 1024;

    // What every row says about its surroundings.
    static readonly string[] CopiedFields =
    [
        "isSidechain",
        "userType",
        "entrypoint",
        "cwd",
        "sessionId",
        "version",
        "gitBranch",
    ];

    /// <summary>
    /// What a person is asked about it: for lists the head and the tail of long texts, without what looks like a
    /// secret; and the whole.
    /// </summary>
    public static ToolCallQuestion ToQuestion(ControlRequest call, IReadOnlyDictionary<string, string> environment)
    {
        var whole = ShownCall.From(call, environment);
        var shown = Shown(call.Input!, environment);
        var asked = new PermissionRequest(
            call.Tool!,
            shown,
            call.Reason is null ? null : RedactAndShorten(call.Reason, environment)
        )
        {
            Whole = whole is not null && IsWhole(shown, JsonElement.Parse(whole.Text)),
        };
        return new(call.ToolUseId!, call.Tool!, JsonSerializer.Serialize(asked, JsonSerializerOptions.Web))
        {
            Call = whole?.Text,
            Hash = whole?.Hash,
        };
    }

    /// <summary>Waits until the CLI has written the call down, within bounds.</summary>
    public static Task WaitUntilWritten(
        Func<string> transcript,
        ControlRequest call,
        TimeProvider time,
        CancellationToken cancel
    ) => WaitForText(transcript, $"\"{call.ToolUseId}\"", WriteTimeout, time, cancel);

    /// <summary>Whether all of these calls have their results there, or will within this long.</summary>
    public static async Task<bool> WaitForResults(
        Func<string> transcript,
        IEnumerable<string> calls,
        TimeSpan patience,
        TimeProvider time,
        CancellationToken cancel
    )
    {
        foreach (var call in calls)
        {
            // As the CLI writes it; within a text the quotation marks would be escaped.
            if (!await WaitForText(transcript, $"\"tool_use_id\":\"{call}\"", patience, time, cancel))
                return false;
        }

        return true;
    }

    static async Task<bool> WaitForText(
        Func<string> transcript,
        string text,
        TimeSpan patience,
        TimeProvider time,
        CancellationToken cancel
    )
    {
        var wanted = Encoding.UTF8.GetBytes(text);
        var started = time.GetTimestamp();
        var (read, seen) = (0L, Array.Empty<byte>());

        while (true)
        {
            if (transcript() is var path && RunUser.Impersonate(() => File.Exists(path)))
            {
                await using var file = TranscriptFolder.OpenShared(path);
                file.Position = read;
                var added = new byte[64 * 1024];
                while (await file.ReadAsync(added, cancel) is var count and > 0)
                {
                    seen = [.. seen, .. added.AsSpan(0, count)];
                    read += count;
                    if (seen.AsSpan().IndexOf(wanted) >= 0)
                        return true;
                    seen = seen[^Math.Min(seen.Length, wanted.Length)..];
                }
            }

            if (time.GetElapsedTime(started) >= patience)
                return false;

            await Task.Delay(PollInterval, time, cancel);
        }
    }

    /// <summary>
    /// Notes in the transcript of an ended process that its last call is deferred. False: that is not its last call, or
    /// it has a result by now.
    /// </summary>
    public static async Task<bool> AppendDeferredRow(
        string transcript,
        ControlRequest call,
        TimeProvider time,
        CancellationToken cancel
    )
    {
        if (!File.Exists(transcript))
            return false;

        await using var file = RunUser.Impersonate(() =>
            new FileStream(
                transcript,
                FileMode.Open,
                FileAccess.ReadWrite,
                FileShare.ReadWrite | FileShare.Delete,
                1,
                useAsync: false
            )
        );

        // Half a row may be its last, cut off by the kill; nothing may be glued to it.
        file.SetLength(await TranscriptReader.EndOfRows(file, 0, file.Length, cancel));
        file.Position = 0;
        var lines = new BoundedLineReader(file);
        var (isLast, row) = (false, new JsonObject());

        while (await lines.ReadLine(cancel) is { } line)
        {
            using var json = Parse(line);
            if (
                json?.RootElement is not { ValueKind: JsonValueKind.Object } found
                || found.Text("uuid") is not { } uuid
            )
                continue;

            isLast = Blocks(found, "tool_use", "id").ToList() is [_, ..] calls
                ? calls is [var only] && only == call.ToolUseId
                : isLast && !Blocks(found, "tool_result", "tool_use_id").Contains(call.ToolUseId);
            row = new() { ["parentUuid"] = uuid };
            foreach (var name in CopiedFields)
            {
                if (found.TryGetProperty(name, out var value))
                    row[name] = JsonNode.Parse(value.GetRawText());
            }
        }

        if (!isLast)
            return false;

        row["type"] = "attachment";
        row["uuid"] = Guid.NewGuid().ToString();
        row["timestamp"] = time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", null);
        row["attachment"] = new JsonObject
        {
            ["type"] = "hook_deferred_tool",
            ["toolUseID"] = call.ToolUseId,
            ["toolName"] = call.Tool,
            ["toolInput"] = JsonNode.Parse(call.Input!),
            ["hookName"] = $"PreToolUse:{call.Tool}",
            ["hookEvent"] = "PreToolUse",
        };

        file.Position = file.Length;
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
            // The CLI passes over it as well.
            return null;
        }
    }

    static IEnumerable<string?> Blocks(JsonElement row, string type, string id) =>
        row.Object("message") is { } message
        && message.TryGetProperty("content", out var content)
        && content.ValueKind is JsonValueKind.Array
            ? content
                .EnumerateArray()
                .Where(x => x.ValueKind is JsonValueKind.Object && x.Text("type") == type)
                .Select(x => x.Text(id))
            : [];

    // Nothing is missing; what cannot be seen may be written out.
    static bool IsWhole(JsonElement shown, JsonElement whole) =>
        whole.ValueKind switch
        {
            JsonValueKind.Object => shown.ValueKind is JsonValueKind.Object
                && shown.EnumerateObject().Zip(whole.EnumerateObject()).ToList() is var fields
                && fields.Count == whole.GetPropertyCount()
                && fields.Count == shown.GetPropertyCount()
                && fields.All(x => x.First.Name == x.Second.Name && IsWhole(x.First.Value, x.Second.Value)),
            JsonValueKind.Array => shown.ValueKind is JsonValueKind.Array
                && shown.GetArrayLength() == whole.GetArrayLength()
                && shown.EnumerateArray().Zip(whole.EnumerateArray()).All(x => IsWhole(x.First, x.Second)),
            JsonValueKind.String => shown.ValueKind is JsonValueKind.String
                && shown.GetString() == Visible(whole.GetString()!),
            _ => shown.ValueKind == whole.ValueKind && shown.GetRawText() == whole.GetRawText(),
        };

    static JsonElement Shown(string input, IReadOnlyDictionary<string, string> environment)
    {
        try
        {
            var shown = Shown(JsonNode.Parse(input), environment)?.ToJsonString() ?? "null";
            return shown.Length <= MaxShownInput
                ? JsonElement.Parse(shown)
                : JsonSerializer.SerializeToElement(RedactAndShorten(shown, environment));
        }
        catch (Exception odd) when (odd is InvalidOperationException or ArgumentException or JsonException)
        {
            // Half a character, or one field twice.
            return JsonSerializer.SerializeToElement(RedactAndShorten(input, environment));
        }
    }

    static JsonNode? Shown(JsonNode? value, IReadOnlyDictionary<string, string> environment) =>
        value switch
        {
            JsonObject all => new JsonObject(all.Select(x => KeyValuePair.Create(x.Key, Shown(x.Value, environment)))),
            JsonArray all => new JsonArray([.. all.Select(x => Shown(x, environment))]),
            JsonValue one when one.GetValueKind() is JsonValueKind.String => RedactAndShorten(
                one.GetValue<string>(),
                environment
            ),
            _ => value?.DeepClone(),
        };

    static string RedactAndShorten(string text, IReadOnlyDictionary<string, string> environment)
    {
        var shown = Visible(Redaction.Redact(text, environment));
        if (shown.Length <= MaxShownText)
            return shown;

        // No half of a character stands at the cut.
        const int half = MaxShownText / 2;
        var head = char.IsHighSurrogate(shown[half - 1]) ? half - 1 : half;
        var tail = char.IsLowSurrogate(shown[^half]) ? half - 1 : half;
        return $"{shown[..head]} [... {shown.Length - head - tail} characters not shown ...] {shown[^tail..]}";
    }

    static string Visible(string text) =>
        VisibleText.ReplaceInvisible(text, x => x.Value is '\n' or '\t' ? $"{x}" : VisibleText.EscapeSequence(x));
}
