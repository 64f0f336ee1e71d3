using System.Text.Json.Nodes;

namespace Wake.FakeClaude;

/// <summary>What a transcript row is.</summary>
static class Rows
{
    /// <summary>Something a person or program sent, as against tool results and what the CLI writes in the user's
    /// name.</summary>
    public static bool IsPrompt(JsonObject row) =>
        row.Text("type") == "user"
        && !row.Flag("isMeta")
        && row["origin"] is null
        && !IsInterruption(row)
        && Json.Prose(row.At("message", "content")) is not null;

    public static bool IsInterruption(JsonObject row) =>
        Json.Prose(row.At("message", "content")) is Transcript.InterruptedWaiting or Transcript.InterruptedInTool;

    /// <summary>Rows that say how a turn stands; the others only accompany it.</summary>
    public static bool Decides(JsonObject row) =>
        row.Text("type") is "user" or "assistant" || AttachmentType(row) is "max_turns_reached" or "hook_deferred_tool";

    public static string? AttachmentType(JsonObject row) => row.Text("attachment", "type");

    public static JsonObject? ToolCall(JsonObject row) => Block(row, "tool_use");

    public static string? ToolResultOf(JsonObject row) => Block(row, "tool_result").Text("tool_use_id");

    /// <summary>The rows of the newest leaf's history, in file order, with those that stand outside the
    /// chain.</summary>
    public static IEnumerable<JsonObject> NewestBranch(IReadOnlyList<JsonObject> rows)
    {
        var branch = new HashSet<JsonObject>(rows.Where(x => x.Text("uuid") is null));
        for (var i = LastIndex(rows, rows.Count, _ => true); i >= 0; )
        {
            branch.Add(rows[i]);
            var parent = rows[i].Text("parentUuid");

            // Where the parent was lost, the row before takes its place: only the lost rows are forgotten.
            i =
                parent is null ? -1
                : LastIndex(rows, i, x => x.Text("uuid") == parent) is >= 0 and var found ? found
                : LastIndex(rows, i, _ => true);
        }

        return rows.Where(branch.Contains);
    }

    static int LastIndex(IReadOnlyList<JsonObject> rows, int before, Func<JsonObject, bool> matches)
    {
        for (var i = before - 1; i >= 0; i--)
            if (rows[i].Text("uuid") is not null && matches(rows[i]))
                return i;

        return -1;
    }

    static JsonObject? Block(JsonObject row, string type) =>
        (row.At("message", "content") as JsonArray)?.LastOrDefault(x => x.Text("type") == type) as JsonObject;
}
