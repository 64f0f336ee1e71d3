using System.Net;
using System.Text.Json;
using Wake.ServiceDefaults;

namespace Wake.Notifier;

/// <summary>The Web API of Slack, as far as a chat needs it: https://docs.slack.dev/apis/web-api</summary>
sealed class SlackApi(NotificationTarget target)
{
    // Whoever asks for longer is asked again.
    static readonly TimeSpan MaxRetryAfter = TimeSpan.FromHours(1);

    // Where Slack does not say how long.
    static readonly TimeSpan UsualRetryAfter = TimeSpan.FromSeconds(30);

    // After these a part of it may have been done.
    static readonly string[] Unsure = ["fatal_error", "internal_error"];

    // What is wrong with one message, and will be.
    static readonly string[] AboutTheMessage =
    [
        "cant_update_message",
        "edit_window_closed",
        "invalid_arguments",
        "invalid_blocks",
        "invalid_blocks_format",
        "message_not_found",
        "metadata_too_large",
        "msg_blocks_too_long",
        "msg_too_long",
        "no_text",
    ];

    readonly Uri server = target.BaseUrl ?? new("https://slack.com");
    string? bot;

    /// <summary>The id of the bot's own user.</summary>
    /// <exception cref="ChatException">Slack does not say.</exception>
    public async Task<string> FindBot(CancellationToken cancel) =>
        bot ??=
            (await Call("auth.test", [], cancel)).Text("user_id")
            ?? throw new ChatException("Slack: it does not say who the bot is");

    /// <summary>Calls a method as the bot.</summary>
    /// <param name="method">Its name.</param>
    /// <param name="arguments">What it is told; null is not.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <param name="expected">Errors that are an answer as well: its <c>ok</c> is false then.</param>
    /// <exception cref="ChatException">It was not done, or nobody knows.</exception>
    public Task<JsonElement> Call(
        string method,
        Dictionary<string, string?> arguments,
        CancellationToken cancel,
        params string[] expected
    ) => Call(method, target.Token!, arguments, expected, cancel);

    /// <summary>Asks for an address to read at, as the app. It is as good as a secret.</summary>
    /// <exception cref="ChatException">There is none.</exception>
    public async Task<Uri> OpenConnection(CancellationToken cancel)
    {
        var answer = await Call("apps.connections.open", target.AppToken!, [], [], cancel);
        return
            Uri.TryCreate(answer.Text("url"), UriKind.Absolute, out var url)
            && (url.Scheme == Uri.UriSchemeWss || (url.Scheme == Uri.UriSchemeWs && IsPlain))
            ? url
            : throw new ChatException("Slack: it names no address to read at");
    }

    /// <summary>Says something to who has pressed a button, by the address that came with the press.</summary>
    /// <exception cref="ChatException">They may not have been told.</exception>
    public async Task Respond(string address, object message, CancellationToken cancel)
    {
        if (
            !Uri.TryCreate(address, UriKind.Absolute, out var url)
            || !(url.Scheme == Uri.UriSchemeHttps || (url.Scheme == Uri.UriSchemeHttp && IsPlain))
        )
            throw new ChatException("Slack: a press names no address to answer at") { NotDone = true };

        using var bound = Bound(cancel);
        using var request = new HttpRequestMessage(HttpMethod.Post, url) { Content = JsonContent.Create(message) };
        using var answer = await Send(request, bound.Token, cancel);
    }

    // Only a server of one's own is spoken to in clear.
    bool IsPlain => server.Scheme == Uri.UriSchemeHttp;

    async Task<JsonElement> Call(
        string method,
        string token,
        Dictionary<string, string?> arguments,
        string[] expected,
        CancellationToken cancel
    )
    {
        // Not all methods take JSON.
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server, $"/api/{method}"))
        {
            Headers = { Authorization = new("Bearer", token) },
            Content = new FormUrlEncodedContent(arguments.Where(x => x.Value is not null)),
        };
        using var bound = Bound(cancel);
        using var response = await Send(request, bound.Token, cancel);
        JsonElement answer;
        try
        {
            await using var body = await response.Content.ReadAsStreamAsync(bound.Token);
            answer = await JsonSerializer.DeserializeAsync<JsonElement>(body, cancellationToken: bound.Token);
        }
        catch (Exception failed) when (IsFailure(failed, cancel) || failed is JsonException)
        {
            throw new ChatException($"Slack: {method} has no answer that can be read", failed);
        }

        return answer.Text("ok") == "true" || expected.Contains(answer.Text("error"))
            ? answer
            : throw Explain(method, answer);
    }

    CancellationTokenSource Bound(CancellationToken cancel)
    {
        var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        bound.CancelAfter(target.Timeout);
        return bound;
    }

    static async Task<HttpResponseMessage> Send(
        HttpRequestMessage request,
        CancellationToken bound,
        CancellationToken cancel
    )
    {
        HttpResponseMessage response;
        try
        {
            response = await HttpSender.Http.SendAsync(request, bound);
        }
        catch (Exception failed) when (IsFailure(failed, cancel))
        {
            throw Unreachable(failed);
        }

        if (response.IsSuccessStatusCode)
            return response;

        using (response)
        {
            var limited = response.StatusCode is HttpStatusCode.TooManyRequests;
            var asked = response.Headers.RetryAfter?.Delta ?? (limited ? UsualRetryAfter : null);
            throw new ChatException($"Slack: HTTP {(int)response.StatusCode}")
            {
                // What a server says that has failed itself may be said after it was done.
                NotDone = response.StatusCode < HttpStatusCode.InternalServerError,
                RetryAfter =
                    asked < MaxRetryAfter ? asked
                    : asked is null ? null
                    : MaxRetryAfter,
            };
        }
    }

    /// <summary>Why nothing came of a connection.</summary>
    public static ChatException Unreachable(Exception failed) =>
        ChatException.OfConnection(failed, x => $"Slack: {Redaction.Redact(x)}");

    static bool IsFailure(Exception failed, CancellationToken cancel) =>
        failed is HttpRequestException or IOException
        || (failed is OperationCanceledException && !cancel.IsCancellationRequested);

    ChatException Explain(string method, JsonElement answer)
    {
        var error = answer.Text("error") ?? "";
        var isApp = method == "apps.connections.open";
        return new(
            error switch
            {
                "invalid_auth" or "not_authed" or "token_revoked" or "token_expired" or "account_inactive" =>
                    $"Slack: it does not know the {(isApp ? "AppToken" : "Token")} ({error})",
                "not_allowed_token_type" => isApp
                    ? "Slack: AppToken is no app-level token; it begins with xapp-"
                    : "Slack: Token is not that of a bot; it begins with xoxb-",
                "missing_scope" =>
                    $"Slack: the app has not the scope {Redaction.Redact(answer.Text("needed") ?? "")} ({method})",
                "channel_not_found" or "not_in_channel" =>
                    $"Slack: the app is not in the channel {target.Chat}; write /invite @NAME-OF-THE-APP there "
                        + $"({error})",
                "is_archived" => $"Slack: the channel {target.Chat} is archived",
                _ => $"Slack: {Redaction.Redact(error)} ({method})",
            }
        )
        {
            NotDone = !Unsure.Contains(error),
            Permanent = AboutTheMessage.Contains(error),
            RetryAfter = error is "ratelimited" or "rate_limited" ? UsualRetryAfter : null,
        };
    }
}

/// <summary>Reads JSON of which nothing is certain.</summary>
static class SlackJson
{
    /// <summary>A text, number or truth below these names; null when there is none.</summary>
    public static string? Text(this JsonElement json, params ReadOnlySpan<string> path) =>
        json.Find(path) is { } found
            ? found.ValueKind switch
            {
                JsonValueKind.String => found.GetString(),
                JsonValueKind.True => "true",
                JsonValueKind.False => "false",
                JsonValueKind.Number => found.GetRawText(),
                _ => null,
            }
            : null;

    /// <summary>The members of a list below these names; none when there is no list.</summary>
    public static IReadOnlyList<JsonElement> List(this JsonElement json, params ReadOnlySpan<string> path) =>
        json.Find(path) is { ValueKind: JsonValueKind.Array } list ? [.. list.EnumerateArray()] : [];

    /// <summary>What is below these names; null when nothing is.</summary>
    public static JsonElement? Find(this JsonElement json, params ReadOnlySpan<string> path)
    {
        foreach (var name in path)
        {
            if (json.ValueKind is not JsonValueKind.Object || !json.TryGetProperty(name, out var below))
                return null;
            json = below;
        }

        return json;
    }
}
