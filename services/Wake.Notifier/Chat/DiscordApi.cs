using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;
using Wake.Contracts;
using Wake.ServiceDefaults;

namespace Wake.Notifier;

/// <summary>
/// The HTTP API of Discord for one bot, within its rate limits: https://docs.discord.com/developers/reference
/// </summary>
sealed class DiscordApi(string token, Uri? server)
{
    static readonly Uri Default = new("https://discord.com");

    static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(20);

    // A limit that ends this soon is waited for; a later one is somebody else's to wait for.
    static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(5);

    static readonly TimeSpan MaxRetryAfter = TimeSpan.FromHours(24);

    // A clock ticks coarsely, and what comes a moment too early is refused.
    static readonly TimeSpan ClockMargin = TimeSpan.FromMilliseconds(50);

    // A hundred messages, each with all that Discord adds to it.
    const int MaxAnswer = 8 * 1024 * 1024;

    const int MaxReason = 300;

    const string AllRoutes = "";

    readonly Uri root = new(server ?? Default, "/api/v10/");

    // When calls of a route are taken again, in milliseconds since the start of the machine.
    readonly ConcurrentDictionary<string, long> limits = [];

    /// <summary>Whether the connection to it is encrypted, and so must be all others.</summary>
    public bool IsEncrypted => root.Scheme == Uri.UriSchemeHttps;

    /// <summary>Calls it and returns what it answers; nothing when the answer is empty.</summary>
    /// <param name="method">How.</param>
    /// <param name="route">What the calls have in common that are limited together.</param>
    /// <param name="path">What is called.</param>
    /// <param name="body">What it is told; null for nothing.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <exception cref="ChatException">It was not done, or nobody knows.</exception>
    public async Task<JsonElement> Call(
        HttpMethod method,
        string route,
        string path,
        JsonObject? body,
        CancellationToken cancel
    )
    {
        try
        {
            return await CallOnce(method, route, path, body, cancel);
        }
        // Others use the same limit, and nobody knows of their calls: a second one waits until it ends.
        catch (ChatException limited) when (limited is { NotDone: true, RetryAfter: { } wait } && wait <= MaxWait)
        {
            return await CallOnce(method, route, path, body, cancel);
        }
    }

    async Task<JsonElement> CallOnce(
        HttpMethod method,
        string route,
        string path,
        JsonObject? body,
        CancellationToken cancel
    )
    {
        await WaitForLimit(route, cancel);
        using var request = new HttpRequestMessage(method, new Uri(root, path));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bot", token);
        // It refuses other programs: "DiscordBot ($url, $versionNumber)".
        request.Headers.UserAgent.ParseAdd("DiscordBot (https://discord.com, 1)");
        if (body is not null)
            request.Content = JsonContent.Create(body);

        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        bound.CancelAfter(CallTimeout);
        try
        {
            using var answer = await HttpSender.Http.SendAsync(
                request,
                HttpCompletionOption.ResponseHeadersRead,
                bound.Token
            );
            await answer.Content.LoadIntoBufferAsync(MaxAnswer, bound.Token);
            var json = await ReadJson(answer, bound.Token);
            NoteLimit(route, answer, json);
            if (!answer.IsSuccessStatusCode)
                throw Explain(answer, json);
            if (json.ValueKind is JsonValueKind.Undefined && answer.StatusCode is not HttpStatusCode.NoContent)
                throw new ChatException("Discord: its answer is no JSON");
            return json;
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw new ChatException($"Discord: no answer within {CallTimeout.TotalSeconds:0} s");
        }
        catch (Exception failed) when (failed is HttpRequestException or IOException)
        {
            throw Explain(failed);
        }
    }

    /// <summary>What has gone wrong with a connection.</summary>
    public ChatException Explain(Exception failed) => ChatException.OfConnection(failed, x => $"Discord: {Redact(x)}");

    async Task WaitForLimit(string route, CancellationToken cancel)
    {
        var opens = Math.Max(limits.GetValueOrDefault(AllRoutes), limits.GetValueOrDefault(route));
        var wait = TimeSpan.FromMilliseconds(opens - Environment.TickCount64);
        if (wait > MaxWait)
            throw new ChatException("Discord: its rate limit is reached") { NotDone = true, RetryAfter = wait };
        if (wait > TimeSpan.Zero)
            await Task.Delay(wait, cancel);
    }

    void NoteLimit(string route, HttpResponseMessage answer, JsonElement json)
    {
        if (answer.StatusCode is HttpStatusCode.TooManyRequests)
        {
            var isForAll =
                answer.Headers.Contains("X-RateLimit-Global")
                || (json.TryFind("global") is { ValueKind: JsonValueKind.True });
            Close(isForAll ? AllRoutes : route, RetryAfter(answer, json));
        }
        else if (Header(answer, "X-RateLimit-Remaining") == 0 && Header(answer, "X-RateLimit-Reset-After") is { } left)
        {
            Close(route, Seconds(left));
        }
    }

    void Close(string route, TimeSpan time) =>
        limits[route] = Environment.TickCount64 + (long)(time + ClockMargin).TotalMilliseconds;

    static double? Header(HttpResponseMessage answer, string name) =>
        answer.Headers.TryGetValues(name, out var values)
        && double.TryParse(values.First(), NumberStyles.Float, CultureInfo.InvariantCulture, out var value)
            ? value
            : null;

    // Whom it has shut out altogether it answers without JSON.
    static TimeSpan RetryAfter(HttpResponseMessage answer, JsonElement json) =>
        json.TryFind("retry_after") is { ValueKind: JsonValueKind.Number } after ? Seconds(after.GetDouble())
        : Header(answer, "Retry-After") is { } header ? Seconds(header)
        : TimeSpan.FromSeconds(1);

    static TimeSpan Seconds(double seconds) =>
        TimeSpan.FromSeconds(Math.Clamp(double.IsNaN(seconds) ? 0 : seconds, 0, MaxRetryAfter.TotalSeconds));

    static async Task<JsonElement> ReadJson(HttpResponseMessage answer, CancellationToken cancel)
    {
        try
        {
            return await answer.Content.ReadFromJsonAsync<JsonElement>(cancel);
        }
        catch (JsonException)
        {
            return default;
        }
    }

    ChatException Explain(HttpResponseMessage answer, JsonElement json)
    {
        var status = (int)answer.StatusCode;
        var code = json.TryFind("code") is { ValueKind: JsonValueKind.Number } number ? number.GetInt32() : 0;
        var said = json.TryFind("message") is { ValueKind: JsonValueKind.String } message ? message.GetString() : null;
        var text = (status, code) switch
        {
            (401, _) => "Discord: it does not know the token",
            (_, UnknownChannel) => "Discord: there is no such channel",
            (_, MissingAccess) => "Discord: the bot does not see the channel; it needs View Channel",
            (_, MissingPermissions) =>
                "Discord: the bot lacks a permission: View Channel, Send Messages or Read Message History",
            (>= 300 and < 400, _) => $"Discord: {status}: redirects are not followed",
            _ => $"Discord: {status} {Redact(StorableText.Head(said ?? "", MaxReason))}".TrimEnd(),
        };
        return new(text, new HttpRequestException(null, null, answer.StatusCode))
        {
            // What a server says that has failed itself may be said after it was done.
            NotDone = status < 500,
            // What is wrong with the settings or permissions of the channel somebody may set right.
            Permanent = status is 400 || code is UnknownMessage or AnothersMessage,
            RetryAfter = answer.StatusCode is HttpStatusCode.TooManyRequests ? RetryAfter(answer, json) : null,
        };
    }

    string Redact(string text) => Redaction.Redact(text.Replace(token, "[redacted]", StringComparison.Ordinal));

    // https://docs.discord.com/developers/topics/opcodes-and-status-codes#json
    const int UnknownChannel = 10003,
        UnknownMessage = 10008,
        MissingAccess = 50001,
        AnothersMessage = 50005,
        MissingPermissions = 50013;
}
