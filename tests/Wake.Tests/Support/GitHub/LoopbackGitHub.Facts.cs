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
    readonly ConcurrentDictionary<long, string?> logs = new();
    readonly ConcurrentDictionary<int, JsonObject> decisions = new();
    long ids = 1000;

    /// <summary>Its clock.</summary>
    public TimeProvider Time { get; set; } = TimeProvider.System;

    /// <summary>Nothing has happened on it.</summary>
    public void Clear()
    {
        things.Clear();
        logs.Clear();
        decisions.Clear();
        shown.Clear();
        received.Clear();
    }

    /// <summary>A pull request is opened, with the commit it is at.</summary>
    public void Open(int number, string? head = null, string? body = null, string headRepository = "octo-org/hello") =>
        things[$"pulls/{number}"] = new()
        {
            ["number"] = number,
            ["state"] = "open",
            ["title"] = $"Change {number}",
            ["body"] = body,
            ["updated_at"] = At(Time.GetUtcNow().AddMinutes(-60 - number)),
            ["merged_at"] = null,
            ["closed_at"] = null,
            ["html_url"] = $"https://github.com/octo-org/hello/pull/{number}",
            ["user"] = new JsonObject { ["login"] = "octocat", ["type"] = "User" },
            ["head"] = new JsonObject
            {
                ["sha"] = head ?? Sha(number),
                ["ref"] = "topic",
                ["repo"] = new JsonObject { ["full_name"] = headRepository },
            },
            ["base"] = new JsonObject
            {
                ["ref"] = "main",
                ["repo"] = new JsonObject { ["id"] = 1, ["full_name"] = "octo-org/hello" },
            },
        };

    public void Merge(int number, string? mergedAs = null) =>
        Change(
            $"pulls/{number}",
            x =>
                (x["state"], x["merged_at"], x["closed_at"], x["merge_commit_sha"]) = ("closed", Now(), Now(), mergedAs)
        );

    public void Close(int number) =>
        Change($"pulls/{number}", x => (x["state"], x["closed_at"]) = ("closed", At(Time.GetUtcNow().AddSeconds(-2))));

    public void OpenIssue(int number) =>
        things[$"issues/{number}"] = new()
        {
            ["number"] = number,
            ["state"] = "open",
            ["title"] = $"Matter {number}",
            ["updated_at"] = At(Time.GetUtcNow().AddMinutes(-60 - number)),
            ["closed_at"] = null,
        };

    /// <summary>It is reopened, and somebody writes on it a moment later.</summary>
    public void Reopen(int number) => Reopen("pulls", number);

    public void CloseIssue(int number) =>
        Change($"issues/{number}", x => (x["state"], x["closed_at"]) = ("closed", Now()));

    public void ReopenIssue(int number) => Reopen("issues", number);

    void Reopen(string kind, int number)
    {
        Add($"issues/{number}/events", new() { ["event"] = "reopened", ["created_at"] = Now() });
        Change($"{kind}/{number}", x => (x["state"], x["closed_at"]) = ("open", null), ago: TimeSpan.FromSeconds(-3));
    }

    /// <summary>Tells the webhook that it was reopened, as it was then.</summary>
    public Task<bool> DeliverReopening(string name, int number)
    {
        var thing = Snapshot($"{(name == "issue" ? "issues" : "pulls")}/{number}");
        thing["updated_at"] = Items($"issues/{number}/events")[^1]["created_at"]!.DeepClone();
        return Deliver(name == "issue" ? "issues" : name, "reopened", thing, name);
    }

    /// <summary>A branch or tag (<c>heads/main</c>) is at a commit.</summary>
    public void Ref(string name, string sha) =>
        things[$"git/ref/{name}"] = new()
        {
            ["ref"] = $"refs/{name}",
            ["object"] = new JsonObject { ["sha"] = sha, ["type"] = "commit" },
        };

    public void Push(int number, string head) => Change($"pulls/{number}", x => x["head"]!["sha"] = head);

    /// <summary>Whether it can be merged, as GitHub has found out by itself: nothing else of it is different by that.
    /// Without a state it does not know.</summary>
    public void MergeState(int number, bool? mergeable, string state)
    {
        var pull = things[$"pulls/{number}"];
        lock (pull)
            (pull["mergeable"], pull["mergeable_state"]) = (mergeable, state);
    }

    /// <summary>What GraphQL says of it; before that, that it may not be asked.</summary>
    public void Decide(int number, string reviewDecision, params bool[] threadsResolved) =>
        decisions[number] = new()
        {
            ["reviewDecision"] = reviewDecision,
            ["reviewThreads"] = new JsonObject
            {
                ["nodes"] = new JsonArray([.. threadsResolved.Select(x => new JsonObject { ["isResolved"] = x })]),
            },
        };

    /// <summary>A review; <paramref name="late"/> in the second of a change before it, so that the pull request itself
    /// looks the same.</summary>
    public long Review(
        int number,
        string state,
        string body,
        string login = "octocat",
        bool late = false,
        TimeSpan ago = default
    )
    {
        var id = Interlocked.Increment(ref ids);
        Add(
            $"pulls/{number}/reviews",
            new()
            {
                ["id"] = id,
                ["state"] = state,
                ["body"] = body,
                ["submitted_at"] = At(Time.GetUtcNow() - ago),
                ["user"] = new JsonObject { ["login"] = login, ["type"] = "User" },
            }
        );
        if (!late)
            Change($"pulls/{number}", _ => { }, ago);
        return id;
    }

    /// <summary>The last review of a pull request counts no more.</summary>
    public void DismissReview(int number)
    {
        var reviews = things[$"pulls/{number}/reviews"];
        lock (reviews)
            reviews["items"]!.AsArray()[^1]!["state"] = "DISMISSED";
    }

    public long Comment(int number, string body, string login = "octocat", string on = "pull", TimeSpan ago = default)
    {
        var id = Interlocked.Increment(ref ids);
        Add(
            "issues/comments",
            new()
            {
                ["id"] = id,
                ["body"] = body,
                ["created_at"] = At(Time.GetUtcNow() - ago),
                ["updated_at"] = At(Time.GetUtcNow() - ago),
                ["issue_url"] = $"https://api.github.com/repos/octo-org/hello/issues/{number}",
                ["html_url"] = $"https://github.com/octo-org/hello/{on}/{number}#issuecomment",
                ["user"] = new JsonObject { ["login"] = login, ["type"] = "User" },
            }
        );
        return id;
    }

    /// <summary>Whoever wrote a comment takes it back.</summary>
    public void DeleteComment(long id)
    {
        var comments = things["issues/comments"];
        lock (comments)
        {
            var all = comments["items"]!.AsArray();
            all.Remove(all.Single(x => (long)x!["id"]! == id));
        }
    }

    public long CommentOnCode(int number, string body, TimeSpan ago = default)
    {
        var id = Interlocked.Increment(ref ids);
        Add(
            "pulls/comments",
            new()
            {
                ["id"] = id,
                ["body"] = body,
                ["created_at"] = At(Time.GetUtcNow() - ago),
                ["updated_at"] = At(Time.GetUtcNow() - ago),
                ["path"] = "a.cs",
                ["pull_request_url"] = $"https://api.github.com/repos/octo-org/hello/pulls/{number}",
                ["user"] = new JsonObject { ["login"] = "octocat", ["type"] = "User" },
            }
        );
        return id;
    }

    public void Status(string sha, string context, string state, string? description = null) =>
        Add(
            $"commits/{sha}/status",
            new()
            {
                ["id"] = Interlocked.Increment(ref ids),
                ["context"] = context,
                ["state"] = state,
                ["description"] = description,
                ["created_at"] = Now(),
                ["updated_at"] = Now(),
            }
        );

    /// <summary>A deployment begins, and is so far, or ends like this.</summary>
    public long Deploy(string sha, string environment, string state)
    {
        var id = Interlocked.Increment(ref ids);
        Deploy(id, state);
        Add(
            "deployments",
            new()
            {
                ["id"] = id,
                ["sha"] = sha,
                ["environment"] = environment,
                ["created_at"] = Now(),
                ["updated_at"] = Now(),
            }
        );
        return id;
    }

    /// <summary>It gets on, or ends like this.</summary>
    public void Deploy(long id, string state) =>
        Add(
            $"deployments/{id}/statuses",
            new()
            {
                ["id"] = Interlocked.Increment(ref ids),
                ["state"] = state,
                ["created_at"] = Now(),
            }
        );

    public void Release(string tag) =>
        Add(
            "releases",
            new()
            {
                ["id"] = Interlocked.Increment(ref ids),
                ["tag_name"] = tag,
                ["draft"] = false,
                ["published_at"] = Now(),
            }
        );

    /// <summary>A run of a workflow with one job, whose id is that of its check; the check is shown by
    /// <see cref="Check"/> alone.</summary>
    public void Run(
        long id,
        string sha,
        long job,
        string? conclusion,
        string? log = null,
        long suite = 5,
        string started = "push",
        long workflow = 6,
        string name = "CI",
        string going = "in_progress"
    )
    {
        var run = new JsonObject
        {
            ["id"] = id,
            ["name"] = name,
            ["run_attempt"] = 1,
            ["head_sha"] = sha,
            ["status"] = conclusion is null ? going : "completed",
            ["run_started_at"] = Now(),
            ["conclusion"] = conclusion,
            ["check_suite_id"] = suite,
            ["workflow_id"] = workflow,
            ["event"] = started,
            ["updated_at"] = Now(),
            ["pull_requests"] = new JsonArray(),
        };
        var runs = things.GetOrAdd("actions/runs", _ => new() { ["items"] = new JsonArray() });
        lock (runs)
        {
            var list = runs["items"]!.AsArray();
            if (list.FirstOrDefault(x => (long)x!["id"]! == id) is { } known)
                list.Remove(known);
            list.Add(run);
        }

        things[$"actions/runs/{id}/attempts/1/jobs"] = new()
        {
            ["jobs"] = new JsonArray(
                new JsonObject
                {
                    ["id"] = job,
                    ["name"] = "build",
                    ["conclusion"] = conclusion,
                    ["completed_at"] = Now(),
                }
            ),
        };
        logs[job] = log;
    }

    /// <summary>What happens when the failed jobs of a run are to be run again; null: the account may not.</summary>
    public Action<long>? Rerun { get; set; }

    /// <summary>A run begins again: its next attempt, of which nothing has ended.</summary>
    public void BeginAgain(long id) => ChangeRun(id, "in_progress", null, 1);

    /// <summary>The attempt of a run that is under way ends.</summary>
    public void EndAgain(long id, string conclusion) => ChangeRun(id, "completed", conclusion, 0);

    void ChangeRun(long id, string status, string? conclusion, int more)
    {
        var runs = things["actions/runs"];
        lock (runs)
        {
            var run = runs["items"]!.AsArray().Single(x => (long)x!["id"]! == id)!;
            run["run_attempt"] = (int)run["run_attempt"]! + more;
            (run["status"], run["conclusion"], run["updated_at"]) = (status, conclusion, Now());
        }
    }

    /// <summary>What a job has printed.</summary>
    public void Log(long job, string log) => logs[job] = log;

    /// <summary>What a job without a log says of its failure.</summary>
    public void Annotate(long job, string message) =>
        Add($"check-runs/{job}/annotations", new() { ["annotation_level"] = "failure", ["message"] = message });

    /// <summary>Nothing is merged into this branch before these have passed, as its protection says it.</summary>
    public void Protect(string branch, params string[] contexts) =>
        things[$"branches/{branch}"] = new()
        {
            ["name"] = branch,
            ["protected"] = true,
            ["protection"] = new JsonObject
            {
                ["enabled"] = true,
                ["required_status_checks"] = new JsonObject
                {
                    ["enforcement_level"] = "non_admins",
                    ["contexts"] = new JsonArray([.. contexts.Select(x => JsonValue.Create(x))]),
                    ["checks"] = new JsonArray(),
                },
            },
        };

    /// <summary>The same, as a rule of the repository says it.</summary>
    public void Rule(string branch, params string[] contexts) =>
        Add(
            $"rules/branches/{branch}",
            new()
            {
                ["type"] = "required_status_checks",
                ["parameters"] = new JsonObject
                {
                    ["required_status_checks"] = new JsonArray([
                        .. contexts.Select(x => new JsonObject { ["context"] = x }),
                    ]),
                },
            }
        );

    /// <summary>A check on a commit; without a conclusion it runs. Named again, it runs again.</summary>
    public void Check(string sha, string name, string? conclusion, long? id = null, long suite = 5)
    {
        var checks = things.GetOrAdd($"commits/{sha}/check-runs", _ => new() { ["items"] = new JsonArray() });
        lock (checks)
        {
            var list = checks["items"]!.AsArray();
            if (
                list.FirstOrDefault(x => (string?)x!["name"] == name && (long)x["check_suite"]!["id"]! == suite) is
                { } known
            )
                list.Remove(known);
            list.Add(
                new JsonObject
                {
                    ["id"] = id ?? Interlocked.Increment(ref ids),
                    ["name"] = name,
                    ["status"] = conclusion is null ? "in_progress" : "completed",
                    ["conclusion"] = conclusion,
                    ["started_at"] = Now(),
                    ["completed_at"] = conclusion is null ? null : Now(),
                    ["head_sha"] = sha,
                    ["app"] = new JsonObject { ["slug"] = "github-actions" },
                    ["check_suite"] = new JsonObject { ["id"] = suite },
                }
            );
        }
    }

    /// <summary>Tells the webhook what has become of a pull request; false when nobody was there.</summary>
    public Task<bool> Deliver(string action, int number) =>
        Deliver("pull_request", action, Snapshot($"pulls/{number}"));

    /// <summary>Tells the webhook that an issue was opened.</summary>
    public Task<bool> DeliverIssue(int number)
    {
        OpenIssue(number);
        return Deliver("issues", "opened", Snapshot($"issues/{number}"), "issue");
    }

    /// <summary>Tells the webhook that a run of a workflow is over; without a number the newest.</summary>
    public Task<bool> DeliverRun(long? id = null) =>
        Deliver(
            "workflow_run",
            "completed",
            id is null ? Items("actions/runs")[^1] : Items("actions/runs").Single(x => (long)x["id"]! == id)
        );

    /// <summary>Tells the webhook that a check is over.</summary>
    public Task<bool> DeliverCheck(string sha, string name) =>
        Deliver("check_run", "completed", Items($"commits/{sha}/check-runs").Single(x => (string?)x["name"] == name));

    Task<bool> Deliver(string name, string action, JsonNode thing, string? called = null) =>
        Hook.Deliver(
            name,
            new JsonObject
            {
                ["action"] = action,
                [called ?? name] = thing,
                ["repository"] = new JsonObject
                {
                    ["id"] = 1,
                    ["full_name"] = "octo-org/hello",
                    ["html_url"] = "https://github.com/octo-org/hello",
                },
                ["sender"] = new JsonObject { ["login"] = "octocat", ["type"] = "User" },
            }
        );

    /// <summary>The commit a pull request is opened with.</summary>
    public static string Sha(int number) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"commit {number}")))[..40];

    string Now() => At(Time.GetUtcNow());

    static string At(DateTimeOffset time) => time.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    void Change(string name, Action<JsonObject> how, TimeSpan ago = default)
    {
        var thing = things[name];
        lock (thing)
        {
            how(thing);
            thing["updated_at"] = At(Time.GetUtcNow() - ago);
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

    // One of a list, by its id: pulls/comments/1001.
    JsonNode? OneOf(string path) =>
        path.Split('/') is [.. var list, var last] && long.TryParse(last, CultureInfo.InvariantCulture, out var id)
            ? Array.Find(Items(string.Join('/', list)), x => (long?)x["id"] == id)
            : null;

    JsonNode[] Items(string list)
    {
        if (!things.TryGetValue(list, out var all))
            return [];
        lock (all)
            return [.. all["items"]!.AsArray().Select(x => x!.DeepClone())];
    }
}
