using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Wake.Testing;

namespace Wake.Tests.Support;

/// <summary>
/// GitHub's API on loopback, as much of it as Wake asks for, with ETags, pages and limits as GitHub has them, and
/// faults on order. It is told what happens and shows it; what was asked of it is counted.
/// </summary>
public sealed partial class LoopbackGitHub : IAsyncDisposable
{
    /// <summary>What its webhook signs with.</summary>
    public const string Secret = "a secret of both";

    readonly WebApplication app;
    readonly ConcurrentQueue<ReceivedRequest> received = new();
    readonly ConcurrentQueue<(string Path, Func<HttpContext, Task<bool>> Fault)> faults = new();
    readonly ConcurrentDictionary<string, List<byte[]>> shown = new();

    LoopbackGitHub(WebApplication app) => this.app = app;

    /// <summary>One request, and the status it was answered with.</summary>
    public sealed record ReceivedRequest(
        DateTimeOffset At,
        string Method,
        string Path,
        string Query,
        string? Authorization,
        string? IfNoneMatch,
        int Status
    );

    public Uri Url => new(app.Urls.First());

    /// <summary>Where it keeps logs: another host, that nobody may be led to with a token.</summary>
    public Uri Storage => new(app.Urls.Last());

    public IReadOnlyList<ReceivedRequest> Requests => [.. received];

    /// <summary>The requests that GitHub would count: all but those whose answer is that nothing has changed.</summary>
    public IReadOnlyList<ReceivedRequest> Counted => [.. received.Where(x => x.Status != 304)];

    /// <summary>How many entries a page has at most, whatever is asked for.</summary>
    public int PageSize { get; set; } = 100;

    /// <summary>What the limit's headers say is left of 5000.</summary>
    public int Remaining { get; set; } = 5000;

    /// <summary>The name a repository has now; its old one redirects to its id.</summary>
    public bool Renamed { get; set; }

    /// <summary>Whether check runs are for others to read, as they are for a token with fine-grained
    /// permissions.</summary>
    public bool ChecksForbidden { get; set; }

    /// <summary>Whether it answers by GraphQL for many pull requests at once.</summary>
    public bool AnswersQueries { get; set; }

    /// <summary>When the token ends, as every answer says; null: never.</summary>
    public DateTimeOffset? TokenExpires { get; set; }

    /// <summary>What stands before every path of the API: <c>/api/v3</c> on an Enterprise Server.</summary>
    public string Base { get; set; } = "";

    /// <summary>The webhook of the repository, with number 5.</summary>
    public LoopbackHook Hook { get; } = new(Secret);

    /// <summary>The tokens that are good; null: any.</summary>
    public string? Token { get; set; }

    /// <summary>The token of an account that nothing is shown to, as of a private repository.</summary>
    public string? DeniedToken { get; set; }

    public static async Task<LoopbackGitHub> Start()
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder
            .WebHost.UseKestrelCore()
            .ConfigureKestrel(x =>
            {
                x.Listen(IPAddress.Loopback, 0);
                x.Listen(IPAddress.Loopback, 0);
            });
        var github = new LoopbackGitHub(builder.Build());
        github.app.Run(github.Answer);
        await github.app.StartAsync();
        return github;
    }

    public async ValueTask DisposeAsync() => await app.DisposeAsync();

    /// <summary>The next request whose path ends like this is answered by the fault.</summary>
    public void Fail(
        string path,
        int status,
        string body = "{\"message\":\"fault\"}",
        string type = "application/json",
        params (string, string)[] headers
    ) =>
        faults.Enqueue(
            (
                path,
                async http =>
                {
                    (http.Response.StatusCode, http.Response.ContentType) = (status, type);
                    foreach (var (name, value) in headers)
                        http.Response.Headers[name] = value;
                    await http.Response.WriteAsync(body);
                    return true;
                }
            )
        );

    /// <summary>The next request whose path ends like this gets half an answer, and the connection ends.</summary>
    public void CutOff(string path) =>
        faults.Enqueue(
            (
                path,
                async http =>
                {
                    (http.Response.ContentType, http.Response.ContentLength) = ("application/json", 1000);
                    await http.Response.WriteAsync("[{\"number\":");
                    await http.Response.Body.FlushAsync();
                    http.Abort();
                    return true;
                }
            )
        );

    /// <summary>The next request whose path ends like this is not answered before its asker has gone.</summary>
    public void Hang(string path) =>
        faults.Enqueue(
            (
                path,
                async http =>
                {
                    await Task.Delay(Timeout.Infinite, http.RequestAborted)
                        .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                    return true;
                }
            )
        );

    /// <summary>The next request whose path ends like this is answered by a copy that does not know the last change
    /// yet.</summary>
    public void LagBehind(string path) =>
        faults.Enqueue(
            (
                path,
                async http =>
                {
                    byte[] before;
                    lock (shown)
                        before = shown[Thing(http)] is [.., var last, _] ? last : shown[Thing(http)][0];
                    http.Response.Headers.ETag = ETag(before);
                    http.Response.ContentType = "application/json; charset=utf-8";
                    await http.Response.Body.WriteAsync(before);
                    return true;
                }
            )
        );

    public bool AllFaultsMet => faults.IsEmpty;

    /// <summary>Waits until it was looked at to the end twice from now on, so that what has not been seen by then will
    /// not be.</summary>
    public async Task WaitForTwoPolls()
    {
        int Looks() => Requests.Count(x => x.Path.EndsWith("/issues/comments", StringComparison.Ordinal));

        var before = Looks();
        await Eventually.Holds(() => Task.FromResult(Looks() >= before + 3), "two looks");
    }

    async Task Answer(HttpContext http)
    {
        var (request, response) = (http.Request, http.Response);
        var path = request.Path.Value!;
        var at = DateTimeOffset.UtcNow;
        response.OnCompleted(() =>
        {
            received.Enqueue(
                new(
                    at,
                    request.Method,
                    path,
                    request.QueryString.Value ?? "",
                    request.Headers.Authorization,
                    request.Headers.IfNoneMatch,
                    response.StatusCode
                )
            );
            return Task.CompletedTask;
        });

        if (request.Host.Port == Storage.Port)
        {
            await response.WriteAsync(logs[long.Parse(path[1..], CultureInfo.InvariantCulture)]!);
            return;
        }

        if (!path.StartsWith($"{Base}/", StringComparison.Ordinal))
        {
            response.StatusCode = 404;
            return;
        }

        path = path[Base.Length..];
        response.Headers.Date = Time.GetUtcNow().ToString("r", CultureInfo.InvariantCulture);
        response.Headers["x-ratelimit-limit"] = "5000";
        response.Headers["x-ratelimit-remaining"] = $"{Remaining}";
        response.Headers["x-ratelimit-reset"] = $"{DateTimeOffset.UtcNow.AddHours(1).ToUnixTimeSeconds()}";

        if (TokenExpires is { } expires)
            response.Headers["github-authentication-token-expiration"] = expires.UtcDateTime.ToString(
                "yyyy-MM-dd HH:mm:ss 'UTC'",
                CultureInfo.InvariantCulture
            );

        if (
            faults.TryPeek(out var next)
            && path.EndsWith(next.Path, StringComparison.Ordinal)
            && faults.TryDequeue(out next)
            && await next.Fault(http)
        )
            return;

        if (DeniedToken is not null && request.Headers.Authorization == $"Bearer {DeniedToken}")
        {
            await Json(http, 404, new JsonObject { ["message"] = "Not Found" });
            return;
        }

        if (
            Token is not null
            && request.Headers.Authorization != $"Bearer {Token}"
            && !path.Contains("/installation", StringComparison.Ordinal)
            && path != "/app"
        )
        {
            // To whoever may not see it, a private repository is not there.
            await Json(
                http,
                request.Headers.Authorization.Count == 0 ? 404 : 401,
                new JsonObject { ["message"] = "Bad credentials" }
            );
            return;
        }

        if (path == "/user")
            await Json(http, 200, new JsonObject { ["login"] = Login, ["type"] = "User" });
        else if (path == "/app")
            await Json(http, 200, new JsonObject { ["slug"] = Login });
        else if (path.EndsWith("/installation", StringComparison.Ordinal))
            await Json(
                http,
                200,
                new JsonObject { ["id"] = path.StartsWith("/repos/octo-org/", StringComparison.Ordinal) ? 77 : 78 }
            );
        else if (path.StartsWith("/app/installations/", StringComparison.Ordinal))
            await Json(
                http,
                201,
                new JsonObject
                {
                    ["token"] = Token,
                    ["expires_at"] = DateTimeOffset.UtcNow.AddHours(1).ToString("o", CultureInfo.InvariantCulture),
                }
            );
        else if (
            path.StartsWith("/repos/octo-org/hello/hooks/5/deliveries/", StringComparison.Ordinal)
            && request.Method == "POST"
        )
        {
            // It answers at once and delivers after that, as GitHub does.
            _ = Hook.Redeliver(long.Parse(path.Split('/')[^2], CultureInfo.InvariantCulture));
            await Json(http, 202, new JsonObject());
        }
        else if (path == "/graphql" && request.Method == "POST")
        {
            var asked = await JsonNode.ParseAsync(request.Body);
            response.Headers["x-ratelimit-resource"] = "graphql";
            response.Headers["x-ratelimit-remaining"] = "7";
            if (AnswersQueries && asked!["variables"]!["number"] is null)
                await Json(http, 200, Many((string)asked["query"]!));
            else
                await Json(
                    http,
                    200,
                    asked!["variables"]!["number"] is not null
                    && decisions.TryGetValue((int)asked!["variables"]!["number"]!, out var decision)
                        ? new JsonObject
                        {
                            ["data"] = new JsonObject
                            {
                                ["repository"] = new JsonObject { ["pullRequest"] = decision.DeepClone() },
                            },
                        }
                        : new JsonObject
                        {
                            ["errors"] = new JsonArray(new JsonObject { ["type"] = "FORBIDDEN", ["message"] = "No." }),
                        }
                );
        }
        else if (path.EndsWith("/rerun-failed-jobs", StringComparison.Ordinal) && request.Method == "POST")
        {
            await Json(http, Rerun is null ? 403 : 201, new JsonObject());
            Rerun?.Invoke(long.Parse(path.Split('/')[^2], CultureInfo.InvariantCulture));
        }
        else if (Renamed && path.StartsWith("/repos/octo-org/hello/", StringComparison.Ordinal))
        {
            response.Headers.Location = new Uri(
                Url,
                $"{Base}/repositories/1/{path["/repos/octo-org/hello/".Length..]}{request.QueryString}"
            ).ToString();
            await Json(http, 301, new JsonObject { ["message"] = "Moved Permanently" });
        }
        else
            await Show(
                http,
                path.StartsWith("/repositories/1/", StringComparison.Ordinal) ? path["/repositories/1/".Length..]
                    : path.StartsWith("/repos/octo-org/hello/", StringComparison.Ordinal)
                        ? path["/repos/octo-org/hello/".Length..]
                    : ""
            );
    }

    async Task Show(HttpContext http, string path)
    {
        if (await TakeWrite(http, path))
            return;

        if (path == "actions/runs")
        {
            var head = (string?)http.Request.Query["head_sha"];
            await Paged(
                http,
                [.. Items(path).Reverse().Where(x => head is null || (string?)x["head_sha"] == head)],
                "workflow_runs"
            );
        }
        else if (path.EndsWith("/logs", StringComparison.Ordinal))
        {
            var job = path.Split('/')[^2];
            http.Response.Headers.Location = new Uri(Storage, $"/{job}").ToString();
            await Json(
                http,
                logs.GetValueOrDefault(long.Parse(job, CultureInfo.InvariantCulture)) is null ? 404 : 302,
                new JsonObject()
            );
        }
        else if (path == "pulls")
            await Paged(http, Newest("pulls/"), null);
        else if (path == "issues")
            await Paged(http, Newest("issues/"), null);
        else if (CommentsOf().Match(path) is { Success: true } conversation)
            await Paged(http, Conversation(conversation.Groups[1].Value, http.Request.Query["since"]), null);
        else if (path is "issues/comments" or "pulls/comments")
        {
            var since = (string?)http.Request.Query["since"] ?? "";
            await Paged(
                http,
                [.. Items(path).Where(x => string.CompareOrdinal((string)x["updated_at"]!, since) >= 0)],
                null
            );
        }
        else if (path.EndsWith("/check-runs", StringComparison.Ordinal) && ChecksForbidden)
            await Json(http, 403, new JsonObject { ["message"] = "Resource not accessible by personal access token" });
        else if (path.EndsWith("/check-runs", StringComparison.Ordinal))
            await Paged(http, Items(path), "check_runs");
        else if (path.EndsWith("/status", StringComparison.Ordinal))
            await Paged(http, Items(path), "statuses");
        else if (path == "hooks/5/deliveries")
            await Deliveries(http);
        else if (path is "deployments" or "releases" || path.EndsWith("/statuses", StringComparison.Ordinal))
            await Paged(http, [.. Items(path).Reverse()], null);
        else if (
            path.EndsWith("/reviews", StringComparison.Ordinal)
            || path.EndsWith("/events", StringComparison.Ordinal)
            || path.EndsWith("/annotations", StringComparison.Ordinal)
            || path.StartsWith("rules/branches/", StringComparison.Ordinal)
        )
            await Paged(http, Items(path), null);
        else if (things.ContainsKey(path))
            await Json(http, 200, Snapshot(path));
        else if (path.StartsWith("issues/", StringComparison.Ordinal) && things.ContainsKey($"pulls/{path[7..]}"))
            await Json(http, 200, Snapshot($"pulls/{path[7..]}"));
        else if (OneOf(path) is { } one)
            await Json(http, 200, one);
        else
            await Json(http, 404, new JsonObject { ["message"] = "Not Found" });
    }

    JsonObject Many(string query)
    {
        var repository = new JsonObject();
        foreach (Match one in Asked().Matches(query))
        {
            var number = int.Parse(one.Groups[1].Value, CultureInfo.InvariantCulture);
            var pull = things.ContainsKey($"pulls/{number}") ? Snapshot($"pulls/{number}") : null;
            repository[$"p{number}"] = pull is null
                ? null
                : new JsonObject
                {
                    ["number"] = number,
                    ["state"] = ((string)pull["state"]!).ToUpperInvariant(),
                    ["updatedAt"] = (string)pull["updated_at"]!,
                    ["headRefOid"] = (string)pull["head"]!["sha"]!,
                    ["mergeable"] = (bool?)pull["mergeable"] switch
                    {
                        true => "MERGEABLE",
                        false => "CONFLICTING",
                        null => "UNKNOWN",
                    },
                    ["mergeStateStatus"] = ((string?)pull["mergeable_state"] ?? "unknown").ToUpperInvariant(),
                };
        }

        return new() { ["data"] = new JsonObject { ["repository"] = repository } };
    }

    [GeneratedRegex(@"p(\d+): pullRequest\(number: \1\)")]
    private static partial Regex Asked();

    // Those with a number, the last changed first.
    JsonNode[] Newest(string kind) =>
        [
            .. things
                .Keys.Where(x =>
                    x.StartsWith(kind, StringComparison.Ordinal) && x[kind.Length..].All(char.IsAsciiDigit)
                )
                .Select(Snapshot)
                .Select(x =>
                {
                    // Its list does not tell.
                    x.AsObject().Remove("mergeable");
                    x.AsObject().Remove("mergeable_state");
                    return x;
                })
                .OrderByDescending(x => (string)x["updated_at"]!, StringComparer.Ordinal),
        ];

    async Task Paged(HttpContext http, JsonNode[] items, string? property)
    {
        var page = int.TryParse(http.Request.Query["page"], out var number) ? number : 1;
        var part = new JsonArray([.. items.Skip((page - 1) * PageSize).Take(PageSize)]);
        if (page * PageSize < items.Length)
        {
            var query = string.Join(
                '&',
                http.Request.Query.Where(x => x.Key != "page")
                    .Select(x => $"{x.Key}={x.Value}")
                    .Append($"page={page + 1}")
            );
            http.Response.Headers.Link = $"<{new Uri(Url, $"{http.Request.Path}?{query}")}>; rel=\"next\"";
        }

        await Json(
            http,
            200,
            property is null ? part : new JsonObject { ["total_count"] = items.Length, [property] = part }
        );
    }

    // By the last one seen: what is delivered meanwhile shifts no page.
    async Task Deliveries(HttpContext http)
    {
        var before = long.TryParse(http.Request.Query["cursor"], out var cursor) ? cursor : long.MaxValue;
        var left = Hook.Deliveries.Where(x => (long)x["id"]! < before).ToList();
        if (left.Count > PageSize)
            http.Response.Headers.Link =
                $"<{new Uri(Url, $"{http.Request.Path}?per_page=100&cursor={left[PageSize - 1]["id"]}")}>; "
                + "rel=\"next\"";
        await Json(http, 200, new JsonArray([.. left.Take(PageSize)]));
    }

    async Task Json(HttpContext http, int status, JsonNode body)
    {
        var bytes = JsonSerializer.SerializeToUtf8Bytes(body);
        var etag = ETag(bytes);
        if (status == 200)
        {
            lock (shown)
            {
                var before = shown.GetOrAdd(Thing(http), _ => []);
                if (before is [] || ETag(before[^1]) != etag)
                    before.Add(bytes);
            }
        }

        if (status == 200 && http.Request.Headers.IfNoneMatch == etag)
        {
            http.Response.StatusCode = 304;
            return;
        }

        (http.Response.StatusCode, http.Response.ContentType, http.Response.Headers.ETag) = (
            status,
            "application/json; charset=utf-8",
            etag
        );
        await http.Response.Body.WriteAsync(bytes);
    }

    static string Thing(HttpContext http) => $"{http.Request.Path}{http.Request.QueryString}";

    static string ETag(byte[] body) => $"W/\"{Convert.ToHexStringLower(SHA256.HashData(body))}\"";
}
