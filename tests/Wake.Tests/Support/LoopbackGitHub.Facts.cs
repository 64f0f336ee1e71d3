using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Wake.Tests.Support;

/// <summary>What happens on it.</summary>
public sealed partial class LoopbackGitHub
{
    readonly ConcurrentDictionary<string, JsonObject> things = new();
    long ids = 1000;

    /// <summary>A pull request is opened, with the commit it is at.</summary>
    public void Open(int number, string? head = null, string? body = null, string headRepository = "octo-org/hello") => things[$"pulls/{number}"] = new()
    {
        ["number"] = number, ["state"] = "open", ["title"] = $"Change {number}", ["body"] = body, ["updated_at"] = At(DateTimeOffset.UtcNow.AddMinutes(-60 - number)),
        ["merged_at"] = null,
        ["closed_at"] = null, ["html_url"] = $"https://github.com/octo-org/hello/pull/{number}",
        ["user"] = new JsonObject { ["login"] = "octocat", ["type"] = "User" },
        ["head"] = new JsonObject { ["sha"] = head ?? Sha(number), ["ref"] = "topic", ["repo"] = new JsonObject { ["full_name"] = headRepository } },
        ["base"] = new JsonObject { ["ref"] = "main", ["repo"] = new JsonObject { ["id"] = 1, ["full_name"] = "octo-org/hello" } },
    };

    public void Merge(int number) => Change(number, x => (x["state"], x["merged_at"], x["closed_at"]) = ("closed", Now(), Now()));

    public void Push(int number, string head) => Change(number, x => x["head"]!["sha"] = head);

    public void Review(int number, string state, string body, string login = "octocat")
    {
        Add($"pulls/{number}/reviews", new()
        {
            ["id"] = Interlocked.Increment(ref ids), ["state"] = state, ["body"] = body, ["submitted_at"] = Now(),
            ["user"] = new JsonObject { ["login"] = login, ["type"] = "User" },
        });
        Change(number, _ => { });
    }

    public void Comment(int number, string body, string login = "octocat") => Add("issues/comments", new()
    {
        ["id"] = Interlocked.Increment(ref ids), ["body"] = body, ["created_at"] = Now(), ["updated_at"] = Now(),
        ["issue_url"] = $"https://api.github.com/repos/octo-org/hello/issues/{number}",
        ["html_url"] = $"https://github.com/octo-org/hello/pull/{number}#issuecomment",
        ["user"] = new JsonObject { ["login"] = login, ["type"] = "User" },
    });

    /// <summary>A check on a commit; without a conclusion it runs. Named again, it runs again.</summary>
    public void Check(string sha, string name, string? conclusion, long? id = null)
    {
        var checks = things.GetOrAdd($"commits/{sha}/check-runs", _ => new() { ["items"] = new JsonArray() });
        lock (checks)
        {
            var list = checks["items"]!.AsArray();
            if (list.FirstOrDefault(x => (string?)x!["name"] == name) is { } known)
                list.Remove(known);
            list.Add(new JsonObject
            {
                ["id"] = id ?? Interlocked.Increment(ref ids), ["name"] = name, ["status"] = conclusion is null ? "in_progress" : "completed",
                ["conclusion"] = conclusion, ["completed_at"] = conclusion is null ? null : Now(), ["head_sha"] = sha,
                ["app"] = new JsonObject { ["slug"] = "github-actions" }, ["check_suite"] = new JsonObject { ["id"] = 5 },
            });
        }
    }

    /// <summary>Tells the webhook what has become of a pull request; false when nobody was there.</summary>
    public Task<bool> Deliver(string action, int number) => Hook.Deliver("pull_request", new JsonObject
    {
        ["action"] = action, ["number"] = number, ["pull_request"] = Snapshot($"pulls/{number}"),
        ["repository"] = new JsonObject { ["id"] = 1, ["full_name"] = "octo-org/hello", ["html_url"] = "https://github.com/octo-org/hello" },
        ["sender"] = new JsonObject { ["login"] = "octocat", ["type"] = "User" },
    });

    /// <summary>The commit a pull request is opened with.</summary>
    public static string Sha(int number) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"commit {number}")))[..40];

    static string Now() => At(DateTimeOffset.UtcNow);

    static string At(DateTimeOffset time) => time.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    void Change(int number, Action<JsonObject> how)
    {
        var pull = things[$"pulls/{number}"];
        lock (pull)
        {
            how(pull);
            pull["updated_at"] = Now();
        }
    }

    void Add(string list, JsonObject item)
    {
        var all = things.GetOrAdd(list, _ => new() { ["items"] = new JsonArray() });
        lock (all)
            all["items"]!.AsArray().Add(item);
    }

    JsonNode Snapshot(string thing)
    {
        var found = things[thing];
        lock (found)
            return found.DeepClone();
    }

    JsonNode[] Items(string list)
    {
        if (!things.TryGetValue(list, out var all))
            return [];
        lock (all)
            return [.. all["items"]!.AsArray().Select(x => x!.DeepClone())];
    }
}
