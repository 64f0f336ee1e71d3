using System.Text.Json;

namespace Wake.Offline;

/// <summary>What is worth knowing about a request that arrives.</summary>
static class RequestParser
{
    static readonly string[] Headers =
    [
        "anthropic-beta",
        "anthropic-version",
        "authorization",
        "baggage",
        "traceparent",
        "tracestate",
        "user-agent",
        "x-api-key",
        "x-app",
        "x-claude-code-session-id",
        "x-client-request-id",
        "x-stainless-retry-count",
    ];

    public static SeenRequest Messages(HttpRequest http, JsonElement body)
    {
        var messages = Conversation.In(body);

        return new()
        {
            At = DateTimeOffset.UtcNow,
            Method = http.Method,
            Path = http.Path + http.QueryString,
            IsConversation = !Conversation.WantsTitle(messages),
            SessionId = Session(http),
            Headers = Known(http),
            Bytes = http.ContentLength ?? 0,
            Model = body.Text("model"),
            Streams = body.Is("stream"),
            Tools = body.Items("tools").Count(),
            UserId = body.Member("metadata").Text("user_id"),
            Messages = messages,
            Tail = Conversation.Tail(messages),
        };
    }

    public static SeenRequest Other(HttpRequest http) =>
        new()
        {
            At = DateTimeOffset.UtcNow,
            Method = http.Method,
            Path = http.Path + http.QueryString,
            IsConversation = false,
            SessionId = Session(http),
            Headers = Known(http),
        };

    static Guid? Session(HttpRequest http) =>
        Guid.TryParse(http.Headers["x-claude-code-session-id"], out var session) ? session : null;

    static Dictionary<string, string> Known(HttpRequest http) =>
        Headers.Where(http.Headers.ContainsKey).ToDictionary(x => x, x => http.Headers[x].ToString());
}
