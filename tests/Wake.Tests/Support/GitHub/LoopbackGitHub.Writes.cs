using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;

namespace Wake.Tests.Support;

/// <summary>What is written to it by the account that asks, and what its webhook says of that.</summary>
public sealed partial class LoopbackGitHub
{
    /// <summary>The login of the account.</summary>
    public string Login { get; set; } = "wake-account";

    int? failure;

    /// <summary>Whether nobody gets an answer any more to what is written, although it is.</summary>
    public bool SilentAfterWrites { get; set; }

    /// <summary>What is written next is there, and the answer says that it is not.</summary>
    public void FailAfterWrite(int status) => failure = status;

    /// <summary>The comments on a pull request or issue, with their texts.</summary>
    public IReadOnlyList<(long Id, string Author, string Body)> CommentsOn(int number) =>
        [
            .. Conversation($"{number}", null)
                .Select(x => ((long)x["id"]!, (string)x["user"]!["login"]!, (string)x["body"]!)),
        ];

    /// <summary>The statuses of a commit, each as context, state and description, the first one first.</summary>
    public IReadOnlyList<string> StatusesOf(string sha) =>
        [.. Items($"commits/{sha}/status").Select(x => $"{x["context"]} {x["state"]} {x["description"]}")];

    /// <summary>Tells the webhook of a comment.</summary>
    public Task<bool> DeliverComment(long id, string action = "created")
    {
        var comment = Items("issues/comments").Single(x => (long)x["id"]! == id);
        var number = ((string)comment["issue_url"]!).Split('/')[^1];
        return Hook.Deliver(
            "issue_comment",
            new JsonObject
            {
                ["action"] = action,
                ["issue"] = new JsonObject
                {
                    ["number"] = int.Parse(number, CultureInfo.InvariantCulture),
                    ["title"] = "Change",
                    ["pull_request"] = new JsonObject(),
                },
                ["comment"] = comment,
                ["repository"] = Repository(),
                ["sender"] = comment["user"]!.DeepClone(),
            }
        );
    }

    // Something is written: it is there, the webhook is told, and only then it is answered.
    async Task<bool> TakeWrite(HttpContext http, string path)
    {
        var (method, comments, comment) = (http.Request.Method, CommentsOf().Match(path), OneComment().Match(path));
        if (method == "POST" && comments.Success)
        {
            var number = int.Parse(comments.Groups[1].Value, CultureInfo.InvariantCulture);
            var id = Comment(number, (string)(await Body(http))["body"]!, Login);
            await DeliverComment(id);
            return await Answer(http, 201, Items("issues/comments").Single(x => (long)x["id"]! == id));
        }

        if (method == "PATCH" && comment.Success)
        {
            var id = long.Parse(comment.Groups[1].Value, CultureInfo.InvariantCulture);
            var body = (string)(await Body(http))["body"]!;
            var all = things.GetOrAdd("issues/comments", _ => new() { ["items"] = new JsonArray() });
            lock (all)
            {
                if (all["items"]!.AsArray().FirstOrDefault(x => (long)x!["id"]! == id) is not { } found)
                    return false;
                (found["body"], found["updated_at"]) = (body, Now());
            }

            await DeliverComment(id, "edited");
            return await Answer(http, 200, Items("issues/comments").Single(x => (long)x["id"]! == id));
        }

        if (method == "POST" && path.StartsWith("statuses/", StringComparison.Ordinal))
        {
            var (sha, given) = (path["statuses/".Length..], await Body(http));
            Status(sha, (string)given["context"]!, (string)given["state"]!, (string?)given["description"]);
            var status = Items($"commits/{sha}/status")[^1];
            await Hook.Deliver(
                "status",
                new JsonObject
                {
                    ["id"] = status["id"]!.DeepClone(),
                    ["sha"] = sha,
                    ["context"] = status["context"]!.DeepClone(),
                    ["state"] = status["state"]!.DeepClone(),
                    ["created_at"] = status["created_at"]!.DeepClone(),
                    ["updated_at"] = status["updated_at"]!.DeepClone(),
                    ["repository"] = Repository(),
                    ["sender"] = new JsonObject { ["login"] = Login, ["type"] = "User" },
                }
            );
            return await Answer(http, 201, status);
        }

        return false;
    }

    async Task<bool> Answer(HttpContext http, int status, JsonNode body)
    {
        if (SilentAfterWrites)
            await Task.Delay(Timeout.Infinite, http.RequestAborted)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        else
            await Json(http, failure ?? status, body);
        failure = null;
        return true;
    }

    static async Task<JsonNode> Body(HttpContext http) => (await JsonNode.ParseAsync(http.Request.Body))!;

    static JsonObject Repository() =>
        new()
        {
            ["id"] = 1,
            ["full_name"] = "octo-org/hello",
            ["html_url"] = "https://github.com/octo-org/hello",
        };

    JsonNode[] Conversation(string number, string? since) =>
        [
            .. Items("issues/comments")
                .Where(x =>
                    ((string)x["issue_url"]!).EndsWith($"/{number}", StringComparison.Ordinal)
                    && string.CompareOrdinal((string)x["updated_at"]!, since ?? "") >= 0
                ),
        ];

    [GeneratedRegex(@"^issues/(\d+)/comments$")]
    private static partial Regex CommentsOf();

    [GeneratedRegex(@"^issues/comments/(\d+)$")]
    private static partial Regex OneComment();
}
