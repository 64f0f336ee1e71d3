using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace Wake.Tests.Support;

/// <summary>
/// GitHub's API on loopback, as much of it as Wake asks for, with ETags, pages and limits as GitHub has them, and faults on
/// order. It is told what happens and shows it; what was asked of it is counted.
/// </summary>
public sealed class LoopbackGitHub : IAsyncDisposable
{
    readonly WebApplication app;
    readonly ConcurrentDictionary<string, JsonObject> things = new();
    readonly ConcurrentQueue<Asked> asked = new();
    readonly ConcurrentQueue<(string Path, Func<HttpContext, Task<bool>> Fault)> faults = new();
    long ids = 1000;

    LoopbackGitHub(WebApplication app) => this.app = app;

    /// <summary>One request, and the status it was answered with.</summary>
    public sealed record Asked(DateTimeOffset At, string Method, string Path, string Query, string? Authorization, string? IfNoneMatch, int Status);

    public Uri Url => new(app.Urls.Single());

    public IReadOnlyList<Asked> Requests => [.. asked];

    /// <summary>The requests that GitHub would count: all but those whose answer is that nothing has changed.</summary>
    public IReadOnlyList<Asked> Counted => [.. asked.Where(x => x.Status != 304)];

    /// <summary>How many entries a page has at most, whatever is asked for.</summary>
    public int PageSize { get; set; } = 100;

    /// <summary>What the limit's headers say is left of 5000.</summary>
    public int Remaining { get; set; } = 5000;

    /// <summary>The name a repository has now; its old one redirects to its id.</summary>
    public bool Renamed { get; set; }

    /// <summary>The tokens that are good; null: any.</summary>
    public string? Token { get; set; }

    public static async Task<LoopbackGitHub> Start()
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(x => x.Listen(IPAddress.Loopback, 0));
        var github = new LoopbackGitHub(builder.Build());
        github.app.Run(github.Answer);
        await github.app.StartAsync();
        return github;
    }

    public async ValueTask DisposeAsync() => await app.DisposeAsync();

    /// <summary>A pull request is opened, with the commit it is at.</summary>
    public void Open(int number, string? head = null, string? body = null, string headRepository = "octo-org/hello") => things[$"pulls/{number}"] = new()
    {
        ["number"] = number, ["state"] = "open", ["title"] = $"Change {number}", ["body"] = body, ["updated_at"] = Now(), ["merged_at"] = null,
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

    /// <summary>A delivery of a webhook, as the list of them shows it.</summary>
    public long Delivery(string delivery, string status)
    {
        var id = Interlocked.Increment(ref ids);
        Add("deliveries", new()
        {
            ["id"] = id, ["guid"] = delivery, ["delivered_at"] = Now(), ["status"] = status, ["status_code"] = status == "OK" ? 202 : 0,
        });
        return id;
    }

    /// <summary>The next request whose path ends like this is answered by the fault.</summary>
    public void Fail(string path, int status, string body = "{\"message\":\"fault\"}", string type = "application/json", params (string, string)[] headers) =>
        faults.Enqueue((path, async http =>
        {
            (http.Response.StatusCode, http.Response.ContentType) = (status, type);
            foreach (var (name, value) in headers)
                http.Response.Headers[name] = value;
            await http.Response.WriteAsync(body);
            return true;
        }));

    /// <summary>The next request whose path ends like this gets half an answer, and the connection ends.</summary>
    public void CutOff(string path) => faults.Enqueue((path, async http =>
    {
        (http.Response.ContentType, http.Response.ContentLength) = ("application/json", 1000);
        await http.Response.WriteAsync("[{\"number\":");
        await http.Response.Body.FlushAsync();
        http.Abort();
        return true;
    }));

    /// <summary>The next request whose path ends like this is not answered before its asker has gone.</summary>
    public void Hang(string path) => faults.Enqueue((path, async http =>
    {
        await Task.Delay(Timeout.Infinite, http.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return true;
    }));

    public bool AllFaultsMet => faults.IsEmpty;

    /// <summary>The webhook of a pull request, as GitHub would deliver it now.</summary>
    public HttpRequestMessage Webhook(string action, int number, string secret)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(new JsonObject
        {
            ["action"] = action, ["number"] = number, ["pull_request"] = Snapshot($"pulls/{number}"),
            ["repository"] = new JsonObject { ["id"] = 1, ["full_name"] = "octo-org/hello", ["html_url"] = "https://github.com/octo-org/hello" },
            ["sender"] = new JsonObject { ["login"] = "octocat", ["type"] = "User" },
        });
        var request = new HttpRequestMessage(HttpMethod.Post, "/github") { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new("application/json");
        request.Headers.Add("X-GitHub-Event", "pull_request");
        request.Headers.Add("X-GitHub-Delivery", Guid.NewGuid().ToString());
        request.Headers.Add("X-Hub-Signature-256", $"sha256={Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), body))}");
        return request;
    }

    public static string Sha(int number) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"commit {number}")))[..40];

    static string Now() => DateTimeOffset.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    // GitHub's times have whole seconds, and a change within one would be as old as what it changes.
    void Change(int number, Action<JsonObject> how)
    {
        var pull = things[$"pulls/{number}"];
        lock (pull)
        {
            how(pull);
            var before = DateTimeOffset.Parse((string)pull["updated_at"]!, CultureInfo.InvariantCulture);
            var now = DateTimeOffset.UtcNow;
            pull["updated_at"] = (now > before.AddSeconds(1) ? now : before.AddSeconds(1)).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
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

    async Task Answer(HttpContext http)
    {
        var (request, response) = (http.Request, http.Response);
        var path = request.Path.Value!;
        var at = DateTimeOffset.UtcNow;
        response.OnCompleted(() =>
        {
            asked.Enqueue(new(at, request.Method, path, request.QueryString.Value ?? "", request.Headers.Authorization, request.Headers.IfNoneMatch, response.StatusCode));
            return Task.CompletedTask;
        });

        response.Headers.Date = DateTimeOffset.UtcNow.ToString("r", CultureInfo.InvariantCulture);
        response.Headers["x-ratelimit-limit"] = "5000";
        response.Headers["x-ratelimit-remaining"] = $"{Remaining}";
        response.Headers["x-ratelimit-reset"] = $"{DateTimeOffset.UtcNow.AddHours(1).ToUnixTimeSeconds()}";

        if (faults.TryPeek(out var next) && path.EndsWith(next.Path, StringComparison.Ordinal) && faults.TryDequeue(out next) && await next.Fault(http))
            return;

        if (Token is not null && request.Headers.Authorization != $"Bearer {Token}" && !path.Contains("/installation", StringComparison.Ordinal))
        {
            // To whoever may not see it, a private repository is not there.
            await Json(http, request.Headers.Authorization.Count == 0 ? 404 : 401, new JsonObject { ["message"] = "Bad credentials" });
            return;
        }

        if (path.EndsWith("/installation", StringComparison.Ordinal))
            await Json(http, 200, new JsonObject { ["id"] = 77 });
        else if (path == "/app/installations/77/access_tokens")
            await Json(http, 201, new JsonObject { ["token"] = Token, ["expires_at"] = DateTimeOffset.UtcNow.AddHours(1).ToString("o", CultureInfo.InvariantCulture) });
        else if (path.Contains("/deliveries/", StringComparison.Ordinal) && request.Method == "POST")
            await Json(http, 202, new JsonObject());
        else if (Renamed && path.StartsWith("/repos/octo-org/hello/", StringComparison.Ordinal))
        {
            response.Headers.Location = new Uri(Url, $"/repositories/1/{path["/repos/octo-org/hello/".Length..]}{request.QueryString}").ToString();
            await Json(http, 301, new JsonObject { ["message"] = "Moved Permanently" });
        }
        else
            await Show(http, path.StartsWith("/repositories/1/", StringComparison.Ordinal) ? path["/repositories/1/".Length..]
                : path.StartsWith("/repos/octo-org/hello/", StringComparison.Ordinal) ? path["/repos/octo-org/hello/".Length..] : "");
    }

    async Task Show(HttpContext http, string path)
    {
        if (path == "actions/runs")
            await Json(http, 200, new JsonObject { ["total_count"] = 0, ["workflow_runs"] = new JsonArray() });
        else if (path == "pulls")
        {
            var pulls = things.Keys.Where(x => x.StartsWith("pulls/", StringComparison.Ordinal) && x.Count(y => y == '/') == 1).Select(Snapshot);
            await Paged(http, [.. pulls.OrderByDescending(x => (string)x["updated_at"]!, StringComparer.Ordinal)], null);
        }
        else if (path is "issues/comments" or "pulls/comments")
        {
            var since = (string?)http.Request.Query["since"] ?? "";
            await Paged(http, [.. Items(path).Where(x => string.CompareOrdinal((string)x["updated_at"]!, since) >= 0)], null);
        }
        else if (path.EndsWith("/check-runs", StringComparison.Ordinal))
            await Paged(http, Items(path), "check_runs");
        else if (path.EndsWith("/status", StringComparison.Ordinal))
            await Paged(http, Items(path), "statuses");
        else if (path.EndsWith("/deliveries", StringComparison.Ordinal))
            await Paged(http, [.. Items("deliveries").Reverse()], null);
        else if (path.EndsWith("/reviews", StringComparison.Ordinal) || path == "issues")
            await Paged(http, Items(path), null);
        else if (things.ContainsKey(path))
            await Json(http, 200, Snapshot(path));
        else
            await Json(http, 404, new JsonObject { ["message"] = "Not Found" });
    }

    JsonNode[] Items(string list)
    {
        if (!things.TryGetValue(list, out var all))
            return [];
        lock (all)
            return [.. all["items"]!.AsArray().Select(x => x!.DeepClone())];
    }

    async Task Paged(HttpContext http, JsonNode[] items, string? property)
    {
        var page = int.TryParse(http.Request.Query["page"], out var number) ? number : 1;
        var part = new JsonArray([.. items.Skip((page - 1) * PageSize).Take(PageSize)]);
        if (page * PageSize < items.Length)
        {
            var query = string.Join('&', http.Request.Query.Where(x => x.Key != "page").Select(x => $"{x.Key}={x.Value}").Append($"page={page + 1}"));
            http.Response.Headers.Link = $"<{new Uri(Url, $"{http.Request.Path}?{query}")}>; rel=\"next\"";
        }

        await Json(http, 200, property is null ? part : new JsonObject { ["total_count"] = items.Length, [property] = part });
    }

    static async Task Json(HttpContext http, int status, JsonNode body)
    {
        var bytes = JsonSerializer.SerializeToUtf8Bytes(body);
        var etag = $"W/\"{Convert.ToHexStringLower(SHA256.HashData(bytes))}\"";
        if (status == 200 && http.Request.Headers.IfNoneMatch == etag)
        {
            http.Response.StatusCode = 304;
            return;
        }

        (http.Response.StatusCode, http.Response.ContentType, http.Response.Headers.ETag) = (status, "application/json; charset=utf-8", etag);
        await http.Response.Body.WriteAsync(bytes);
    }
}
