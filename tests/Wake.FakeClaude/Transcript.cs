using System.Text.Json.Nodes;

namespace Wake.FakeClaude;

/// <summary>
/// The session's <c>.jsonl</c>: the rows that matter to a reader, in the real shape, each on disk before anything is
/// said about it. Rows with a <c>uuid</c> form a chain; a few kinds stand outside it, as in the original. There is no
/// lock: two processes fork the chain, and the next one to read it sees only the branch that was written last.
/// </summary>
sealed class Transcript
{
    public const string ContinueText = "Continue from where you left off.";
    public const string NoResponseText = "No response requested.";
    public const string InterruptedWaiting = "[Request interrupted by user]";
    public const string InterruptedInTool = "[Request interrupted by user for tool use]";

    readonly ConfigFolder config;
    readonly string sessionId;
    readonly string version;
    readonly List<JsonObject> rows = [];
    readonly HashSet<string> found = [];

    // A signal writes its last row while a turn may be writing its own.
    readonly Lock gate = new();

    public Transcript(ConfigFolder config, string path, string sessionId, string version)
    {
        (this.config, Path, this.sessionId, this.version) = (config, path, sessionId, version);

        if (!File.Exists(path))
            return;

        // Broken lines are skipped without a word, as the real program does.
        var all = File.ReadLines(path).Select(Json.Parse).OfType<JsonObject>().ToList();
        found.UnionWith(all.Select(x => x.Text("uuid")).OfType<string>());
        rows.AddRange(Rows.NewestBranch(all));
    }

    public string Path { get; }

    public bool IsResumable => rows.Any(x => x.Text("type") is "user" or "assistant");

    /// <summary>The turn of the newest message, or null before the first.</summary>
    public LastTurn? LastTurn =>
        rows.FindLastIndex(Rows.IsPrompt) is >= 0 and var i ? new(rows[i], rows[(i + 1)..]) : null;

    public int Prompts => rows.Count(Rows.IsPrompt);

    /// <summary>What the session has cost so far; it outlives the process, so a result's cost includes earlier
    /// runs.</summary>
    public double CostUsd =>
        rows.LastOrDefault(x => x.Text("type") == "cost-state")?["totalCostUSD"]?.GetValue<double>() ?? 0;

    /// <summary>Whether an earlier process has taken this message; also true on a branch that was lost.</summary>
    public bool Found(string uuid) => found.Contains(uuid);

    public void Prompt(JsonNode content, string uuid)
    {
        // Two messages never follow each other: one that had no answer gets an empty one first.
        if (rows.LastOrDefault(Rows.Decides).Text("type") == "user")
            NoResponse();

        Unchained(
            new()
            {
                ["type"] = "queue-operation",
                ["operation"] = "enqueue",
                ["timestamp"] = Clock.Now(),
            }
        );
        Unchained(
            new()
            {
                ["type"] = "queue-operation",
                ["operation"] = "dequeue",
                ["timestamp"] = Clock.Now(),
            }
        );
        User(content, uuid);
        Attachment(new() { ["type"] = "date", ["date"] = Clock.Now()[..10] });
    }

    /// <summary>What the CLI writes in the user's name when it runs a turn again.</summary>
    public void Continue() =>
        User(
            new JsonArray(new JsonObject { ["type"] = "text", ["text"] = ContinueText }),
            Guid.NewGuid().ToString(),
            new() { ["isMeta"] = true }
        );

    public void NoResponse() =>
        Assistant(
            new()
            {
                ["role"] = "assistant",
                ["content"] = new JsonArray(new JsonObject { ["type"] = "text", ["text"] = NoResponseText }),
            },
            Guid.NewGuid().ToString()
        );

    public void User(JsonNode content, string uuid, JsonObject? more = null) =>
        Chained("user", new() { ["role"] = "user", ["content"] = content.DeepClone() }, uuid, more);

    public void Assistant(JsonObject message, string uuid, JsonObject? more = null) =>
        Chained("assistant", (JsonObject)message.DeepClone(), uuid, more);

    public void Attachment(JsonObject attachment) =>
        Chained("attachment", null, Guid.NewGuid().ToString(), new() { ["attachment"] = attachment });

    /// <summary>A row without uuid and parent.</summary>
    public void Unchained(JsonObject row)
    {
        row["sessionId"] = sessionId;
        lock (gate)
            Append(row);
    }

    void Chained(string type, JsonObject? message, string uuid, JsonObject? more)
    {
        lock (gate)
            Append(Row(type, message, uuid, more));
    }

    JsonObject Row(string type, JsonObject? message, string uuid, JsonObject? more)
    {
        var row = new JsonObject
        {
            ["parentUuid"] = rows.LastOrDefault(x => x.Text("uuid") is not null).Text("uuid"),
            ["isSidechain"] = false,
            ["type"] = type,
        };
        if (message is not null)
            row["message"] = message;
        row["uuid"] = uuid;
        row["timestamp"] = Clock.Now();
        foreach (var (name, value) in more ?? [])
            row[name] = value?.DeepClone();
        row["userType"] = "external";
        row["entrypoint"] = "sdk-cli";
        row["cwd"] = Environment.CurrentDirectory;
        row["sessionId"] = sessionId;
        row["version"] = version;
        row["gitBranch"] = "HEAD";
        return row;
    }

    void Append(JsonObject row)
    {
        rows.Add(row);
        config.Append(Path, row.ToLine());
    }
}
