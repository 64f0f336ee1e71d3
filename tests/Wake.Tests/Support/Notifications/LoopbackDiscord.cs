using System.Globalization;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Microsoft.AspNetCore.Http;

namespace Wake.Tests.Support;

/// <summary>
/// Discord, with one bot in one channel: its HTTP API and its gateway. https://docs.discord.com/developers. A press
/// that nobody acknowledges within three seconds has failed for its presser, who presses again.
/// </summary>
public sealed class LoopbackDiscord : LoopbackChat
{
    public const string Token = "MTIzNDU2Nzg5MDEyMzQ1Njc4OQ.GaBcDe.zyxwvutsrqponmlkjihgfedcba9876543210AB";
    public const string Channel = "200000000000000001";

    const string Guild = "300000000000000001";
    const string Application = "1234567890123456789";
    const string Api = "/api/v10/";

    // Discord's own bounds.
    const int MaxContent = 2000;
    const int PostsPerSecond = 5;
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    const int GuildMessages = 1 << 9;
    const int MessageContent = 1 << 15;

    readonly List<JsonObject> channel = [];
    readonly Dictionary<string, Interaction> interactions = [];
    readonly Dictionary<string, HashSet<string>> selections = [];
    readonly Dictionary<string, JsonObject> nonces = [];
    readonly List<(long Number, bool IsPersons, JsonObject Payload)> events = [];
    readonly List<string> opened = [];
    readonly List<string> active = [];
    readonly List<DateTimeOffset> posts = [];
    string? session;
    Connection? connection;
    long lastEvent;
    long confirmed;
    long lastId;
    int lastSession;

    sealed record Interaction(string Press)
    {
        public TaskCompletionSource Acknowledged { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
        public bool IsExpired { get; set; }
    }

    sealed class Connection(WebSocket socket)
    {
        public Channel<JsonObject> Out { get; } = System.Threading.Channels.Channel.CreateUnbounded<JsonObject>();
        public WebSocket Socket => socket;
        public int Intents { get; set; }
        public bool IsOpen { get; set; }
    }

    /// <summary>How often it wants to hear from who listens.</summary>
    public TimeSpan HeartbeatInterval { get; set; } = TimeSpan.FromMilliseconds(41_250);

    /// <summary>Whether it answers heartbeats.</summary>
    public bool IsAlive { get; set; } = true;

    /// <summary>Whether the bot may read what people write.</summary>
    public bool HasContentIntent { get; set; } = true;

    /// <summary>Where it sends presses instead of to the gateway; null for nowhere else.</summary>
    public string? InteractionsEndpoint { get; set; }

    /// <summary>How many sessions may still be begun today.</summary>
    public int SessionsLeft { get; set; } = 1000;

    /// <summary>Whether sending something twice gives the first message back.</summary>
    public bool RemembersNonces { get; set; } = true;

    /// <summary>The code it closes the next connection with; null for none.</summary>
    public int? CloseCode { get; set; }

    /// <summary>How each connection has begun: <c>identify 512</c>, by its intents, or <c>resume /resume</c>.</summary>
    public IReadOnlyList<string> Opened
    {
        get
        {
            lock (Gate)
                return [.. opened];
        }
    }

    /// <summary>What was more than text in what the bot has posted.</summary>
    public IReadOnlyList<string> Active
    {
        get
        {
            lock (Gate)
                return [.. active];
        }
    }

    /// <summary>How often a limit was exceeded that was known.</summary>
    public int Exceeded { get; private set; }

    public override bool KnowsWhatArrived => true;

    public override int Unread
    {
        get
        {
            lock (Gate)
            {
                // It is told when it asks.
                connection?.Out.Writer.TryWrite(new() { ["op"] = 1, ["d"] = null });
                return events.Count(x => x.IsPersons && x.Number > confirmed);
            }
        }
    }

    public static Task<LoopbackDiscord> Start(int port = 0) => Start(new LoopbackDiscord(), port);

    public override Dictionary<string, string?> Settings(string name) =>
        new()
        {
            [$"{name}:Kind"] = "Discord",
            [$"{name}:Token"] = Token,
            [$"{name}:Chat"] = Channel,
            [$"{name}:BaseUrl"] = $"{Url}",
            [$"{name}:Users:0"] = $"{Anna.Id}",
            [$"{name}:Users:1"] = $"{Ben.Id}",
        };

    public override string NameOf(Person person) => $"{person.Name} (@{Handle(person)}) [{person.Id}]";

    public override string Command(string word) => $"/{word}";

    public override string Write(string text, Person person, string? replyTo = null) =>
        Write(text, person, replyTo, replyTo is null ? 0 : 19, 0);

    /// <summary>Somebody forwards a message to where it stands. That has no words of theirs.</summary>
    public void Forward(string message, Person person) => Write("", person, message, 0, 1);

    string Write(string text, Person person, string? other, int type, int reference)
    {
        lock (Gate)
        {
            var message = new JsonObject
            {
                ["id"] = NextId(),
                ["type"] = type,
                ["channel_id"] = Channel,
                ["guild_id"] = Guild,
                ["author"] = From(person),
                ["content"] = text,
                ["components"] = new JsonArray(),
            };
            if (other is not null)
                message["message_reference"] = new JsonObject
                {
                    ["type"] = reference,
                    ["message_id"] = other,
                    ["channel_id"] = Channel,
                    ["guild_id"] = Guild,
                };
            channel.Add(message);
            Dispatch("MESSAGE_CREATE", message, isPersons: true);
            return (string)message["id"]!;
        }
    }

    public override void Disconnect()
    {
        lock (Gate)
        {
            connection?.Socket.Abort();
            connection = null;
        }
    }

    /// <summary>Tells who listens something: 7 to come back, 9 that the session is over.</summary>
    public void Tell(int op, JsonNode? data = null)
    {
        lock (Gate)
        {
            if (op == 9 && (bool?)data is not true)
                session = null;
            connection!.Out.Writer.TryWrite(new() { ["op"] = op, ["d"] = data });
        }
    }

    /// <summary>The session is over, and who listens is cut off.</summary>
    public void EndSession()
    {
        lock (Gate)
            session = null;
        Disconnect();
    }

    private protected override void TellPress(string press, string message, string data, Person person)
    {
        var pressed = Begin();
        _ = Repeat();

        Interaction Begin()
        {
            lock (Gate)
            {
                var shown = channel.Find(x => (string?)x["id"] == message);
                var (id, token) = (NextId(), $"token-{press}-{lastId}");
                var interaction = interactions[token] = new(press);
                Dispatch(
                    "INTERACTION_CREATE",
                    new()
                    {
                        ["id"] = id,
                        ["application_id"] = Application,
                        ["type"] = 3,
                        ["token"] = token,
                        ["channel_id"] = Channel,
                        ["guild_id"] = Guild,
                        ["member"] = new JsonObject { ["user"] = From(person) },
                        ["message"] = shown?.DeepClone() ?? new JsonObject { ["id"] = message },
                        ["data"] = Data(message, data),
                    },
                    isPersons: true
                );
                return interaction;
            }
        }

        async Task Repeat()
        {
            for (var times = 0; times < 10; times++)
            {
                var waited = Task.Delay(Patience);
                if (await Task.WhenAny(pressed.Acknowledged.Task, waited) != waited)
                    return;

                pressed.IsExpired = true;
                pressed = Begin();
            }
        }
    }

    // Of a menu all is told that is chosen in it.
    JsonObject Data(string message, string data)
    {
        if (data.Split('\n') is not [var name, var option])
            return new() { ["custom_id"] = data, ["component_type"] = 2 };

        var menu = Menus(message).First(x => Choice(x) == name.Split('|')[^1]);
        HashSet<string> chosen = [option];
        if ((int)menu["max_values"]! > 1)
        {
            var key = $"{message}/{Choice(menu)}";
            if (!selections.TryGetValue(key, out chosen!))
                selections[key] = chosen = [
                    .. menu["options"]!.AsArray().Where(x => (bool)x!["default"]!).Select(x => (string)x!["value"]!),
                ];
            if (!chosen.Remove(option))
                chosen.Add(option);
        }

        return new()
        {
            ["custom_id"] = (string)menu["custom_id"]!,
            ["component_type"] = 3,
            ["values"] = new JsonArray([.. chosen.Order().Select(x => JsonValue.Create(x))]),
        };
    }

    IEnumerable<JsonNode> Menus(string message) =>
        channel.Single(x => (string?)x["id"] == message)["components"]!
            .AsArray()
            .SelectMany(x => x!["components"]!.AsArray())
            .Where(x => (int)x!["type"]! == 3)!;

    static string Choice(JsonNode menu) => ((string)menu["custom_id"]!).Split('|')[^1];

    // Within the gate.
    void Dispatch(string type, JsonObject data, bool isPersons = false)
    {
        // Nobody is there for whom it would be kept.
        if (session is null)
            return;

        for (var times = Untidy && isPersons ? 2 : 1; times > 0; times--)
        {
            var payload = new JsonObject
            {
                ["op"] = 0,
                ["s"] = ++lastEvent,
                ["t"] = type,
                ["d"] = data.DeepClone(),
            };
            events.Add((lastEvent, isPersons, payload));
            if (connection is { IsOpen: true } open)
                Send(open, payload);
        }
    }

    static void Send(Connection to, JsonObject payload)
    {
        var isMessage = (string?)payload["t"] == "MESSAGE_CREATE";
        if (isMessage && (to.Intents & GuildMessages) == 0)
            return;

        var told = payload.DeepClone().AsObject();
        if (isMessage && (to.Intents & MessageContent) == 0)
            told["d"]!["content"] = "";
        to.Out.Writer.TryWrite(told);
    }

    string NextId()
    {
        var now = (DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() - 1_420_070_400_000) << 22;
        lastId = Math.Max(lastId + 1, now);
        return lastId.ToString(CultureInfo.InvariantCulture);
    }

    static string Handle(Person person) => person.Handle ?? person.Name.ToLowerInvariant();

    static JsonObject From(Person person) =>
        new()
        {
            ["id"] = person.Id.ToString(CultureInfo.InvariantCulture),
            ["username"] = Handle(person),
            ["global_name"] = person.Name,
        };

    static JsonObject Me() =>
        new()
        {
            ["id"] = Application,
            ["username"] = "wake",
            ["bot"] = true,
        };

    private protected override async Task Take(HttpContext context)
    {
        if (context.WebSockets.IsWebSocketRequest)
        {
            await TakeConnection(context);
            return;
        }

        var path = context.Request.Path.Value ?? "";
        if (!path.StartsWith(Api, StringComparison.Ordinal))
        {
            await Refuse(context, 404, 0, "404: Not Found");
            return;
        }

        var parts = path[Api.Length..].Split('/');
        if (
            parts[0] is not ("interactions" or "webhooks")
            && (string?)context.Request.Headers.Authorization != $"Bot {Token}"
        )
        {
            await Refuse(context, 401, 0, "401: Unauthorized");
            return;
        }

        using var text = new StreamReader(context.Request.Body);
        var json = await text.ReadToEndAsync();
        var body = json.Length == 0 ? new JsonObject() : JsonNode.Parse(json)!.AsObject();
        var fault = Note(
            (context.Request.Method, parts) switch
            {
                ("GET", ["gateway", "bot"]) => Call.Read,
                ("POST", ["channels", _, "messages"]) => Call.Post,
                ("PATCH", ["channels", _, "messages", _]) => Call.Edit,
                ("POST", ["webhooks", ..]) => Call.Acknowledge,
                _ => Call.Other,
            }
        );
        if (await Fails(context, fault))
            return;

        var answer = (context.Request.Method, parts) switch
        {
            ("GET", ["gateway", "bot"]) => Ok(GatewayJson()),
            ("GET", ["applications", "@me"]) => Ok(ApplicationJson()),
            ("GET", ["users", "@me"]) => Ok(Me()),
            ("GET", ["channels", Channel]) => Ok(
                new JsonObject
                {
                    ["id"] = Channel,
                    ["type"] = 0,
                    ["guild_id"] = Guild,
                }
            ),
            ("GET", ["channels", Channel, "messages"]) => Ok(List(context.Request.Query)),
            ("POST", ["channels", Channel, "messages"]) => Post(context, body),
            ("PATCH", ["channels", Channel, "messages", var id]) => Edit(id, body),
            (_, ["channels", ..]) => Answer.Error(404, 10003, "Unknown Channel"),
            ("POST", ["interactions", _, var token, "callback"]) => Acknowledge(token, body),
            ("POST", ["webhooks", Application, var token]) => FollowUp(token, body),
            _ => Answer.Error(404, 0, "404: Not Found"),
        };

        if (fault is Fault.CutAfter)
        {
            context.Abort();
            return;
        }

        if (fault is Fault.SilentAfter)
            await Task.Delay(Timeout.Infinite, context.RequestAborted)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        await Write(context, answer.Status, answer.Json);
    }

    sealed record Answer(int Status, JsonNode? Json)
    {
        public static Answer Error(int status, int code, string message) =>
            new(status, new JsonObject { ["code"] = code, ["message"] = message });
    }

    static Answer Ok(JsonNode json) => new(200, json);

    JsonObject GatewayJson() =>
        new()
        {
            ["url"] = $"ws://{Url.Authority}",
            ["shards"] = 1,
            ["session_start_limit"] = new JsonObject
            {
                ["total"] = 1000,
                ["remaining"] = SessionsLeft,
                ["reset_after"] = 14_400_000,
                ["max_concurrency"] = 1,
            },
        };

    JsonObject ApplicationJson() =>
        new()
        {
            ["id"] = Application,
            ["flags"] = HasContentIntent ? 1 << 19 : 0,
            ["interactions_endpoint_url"] = InteractionsEndpoint,
        };

    // The newest come first.
    JsonArray List(IQueryCollection query)
    {
        var limit = int.Parse($"{query["limit"]}", CultureInfo.InvariantCulture);
        var after = query.ContainsKey("after") ? long.Parse($"{query["after"]}", CultureInfo.InvariantCulture) : 0;
        var before = query.ContainsKey("before")
            ? long.Parse($"{query["before"]}", CultureInfo.InvariantCulture)
            : long.MaxValue;
        lock (Gate)
        {
            var found = channel.Where(x => IdOf(x) > after && IdOf(x) < before);
            found = after > 0 ? found.Take(limit).Reverse() : found.Reverse().Take(limit);
            return [.. found.Select(x => x.DeepClone())];
        }
    }

    static long IdOf(JsonObject message) => long.Parse((string)message["id"]!, CultureInfo.InvariantCulture);

    Answer Post(HttpContext context, JsonObject body)
    {
        if (Problem(body) is { } problem)
            return Answer.Error(400, 50035, $"Invalid Form Body: {problem}");

        lock (Gate)
        {
            var now = DateTimeOffset.UtcNow;
            posts.RemoveAll(x => now - x >= TimeSpan.FromSeconds(1));
            var left = PostsPerSecond - posts.Count - 1;
            var until = posts is [var first, ..] ? 1 - (now - first).TotalSeconds : 1;
            context.Response.Headers["X-RateLimit-Remaining"] = $"{Math.Max(0, left)}";
            context.Response.Headers["X-RateLimit-Reset-After"] = until.ToString("0.000", CultureInfo.InvariantCulture);
            if (left < 0)
            {
                Exceeded++;
                return new(429, TooMany(until));
            }

            posts.Add(now);
            var nonce = (string?)body["nonce"];
            if (
                RemembersNonces
                && nonce is not null
                && (bool?)body["enforce_nonce"] is true
                && nonces.TryGetValue(nonce, out var same)
            )
                return Ok(same.DeepClone());

            var other = (string?)body["message_reference"]?["message_id"];
            if (channel.All(x => (string?)x["id"] != other))
                other = null;
            var message = new JsonObject
            {
                ["id"] = NextId(),
                ["type"] = other is null ? 0 : 19,
                ["channel_id"] = Channel,
                ["guild_id"] = Guild,
                ["author"] = Me(),
                ["content"] = ((string)body["content"]!).Trim(),
                ["components"] = body["components"]?.DeepClone() ?? new JsonArray(),
            };
            channel.Add(message);
            if (nonce is not null)
                nonces[nonce] = message;
            var shown = DiscordMarkdown.Read((string)message["content"]!);
            active.AddRange(shown.Active);
            Posted.Add(
                new((string)message["id"]!, other, [shown.Text], Buttons(message)) { Verbatim = shown.Verbatim }
            );
            Dispatch("MESSAGE_CREATE", message);
            return Ok(message.DeepClone());
        }
    }

    Answer Edit(string id, JsonObject body)
    {
        if (Problem(body) is { } problem)
            return Answer.Error(400, 50035, $"Invalid Form Body: {problem}");

        lock (Gate)
        {
            var at = Posted.FindIndex(x => x.Id == id);
            if (at < 0)
                return Answer.Error(404, 10008, "Unknown Message");

            var message = channel.Single(x => (string?)x["id"] == id);
            message["content"] = ((string)body["content"]!).Trim();
            message["components"] = body["components"]!.DeepClone();
            var shown = DiscordMarkdown.Read((string)message["content"]!);
            active.AddRange(shown.Active);
            Posted[at] = Posted[at] with
            {
                Shown = [.. Posted[at].Shown, shown.Text],
                Buttons = Buttons(message),
                Verbatim = shown.Verbatim,
            };
            return Ok(message.DeepClone());
        }
    }

    Answer Acknowledge(string token, JsonObject body)
    {
        lock (Gate)
        {
            if (!interactions.TryGetValue(token, out var interaction) || interaction.IsExpired)
                return Answer.Error(404, 10062, "Unknown interaction");
            if ((int?)body["type"] != 6)
                return Answer.Error(400, 50035, "Invalid Form Body");
            return interaction.Acknowledged.TrySetResult()
                ? new(204, null)
                : Answer.Error(400, 40060, "Interaction has already been acknowledged.");
        }
    }

    Answer FollowUp(string token, JsonObject body)
    {
        if (Problem(body) is { } problem || (int)body["flags"]! != (64 | 4))
            return Answer.Error(400, 50035, $"Invalid Form Body: {Problem(body)}");

        lock (Gate)
        {
            if (
                !interactions.TryGetValue(token, out var interaction)
                || !interaction.Acknowledged.Task.IsCompletedSuccessfully
            )
                return Answer.Error(404, 10015, "Unknown Webhook");

            var shown = DiscordMarkdown.Read((string)body["content"]!);
            active.AddRange(shown.Active);
            NoteTold(interaction.Press, shown.Text);
            return Ok(new JsonObject { ["id"] = NextId() });
        }
    }

    // Beside what it refuses itself: what would call people, or show what a session links to.
    static string? Problem(JsonObject body)
    {
        var content = ((string?)body["content"] ?? "").Trim();
        if (content.Length is 0 or > MaxContent)
            return $"content: {content.Length}";
        if (body["allowed_mentions"]?["parse"] is not JsonArray { Count: 0 })
            return "allowed_mentions";
        if (((int?)body["flags"] & 4) is not 4)
            return "flags";
        if (((string?)body["nonce"])?.Length > 25)
            return "nonce";

        var rows = body["components"]?.AsArray() ?? [];
        if (rows.Count > 5)
            return "components: rows";
        List<string?> names = [];
        foreach (var row in rows)
        {
            var items = row!["components"]!.AsArray();
            var isMenu = items.Any(x => (int)x!["type"]! == 3);
            if (items.Count is 0 || items.Count > (isMenu ? 1 : 5))
                return "components: row";
            names.AddRange(items.Select(x => (string?)x!["custom_id"]));
            foreach (var option in isMenu ? items[0]!["options"]!.AsArray() : items)
            {
                if (((string?)option!["label"])?.Trim().Length is null or 0 or > 80)
                    return "components: label";
            }

            if (isMenu)
            {
                var menu = items[0]!;
                var values = menu["options"]!.AsArray().Select(x => (string?)x!["value"]).ToList();
                if (
                    values.Count is 0 or > 25
                    || values.Distinct().Count() != values.Count
                    || values.Any(x => x is not { Length: > 0 and <= 100 })
                    || (int)menu["max_values"]! > values.Count
                )
                    return "components: options";
            }
        }

        return names.Any(x => x is not { Length: > 0 and <= 100 }) || names.Distinct().Count() != names.Count
            ? "components: custom_id"
            : null;
    }

    static IReadOnlyList<Button> Buttons(JsonObject message) =>
        [
            .. from row in message["components"]!.AsArray()
            from item in row!["components"]!.AsArray()
            from button in (int)item!["type"]! == 3
                ? item["options"]!
                    .AsArray()
                    .Select(x => new Button((string)x!["label"]!, $"{item["custom_id"]}\n{x["value"]}"))
                : [new Button((string)item["label"]!, (string)item["custom_id"]!)]
            select button,
        ];

    static JsonObject TooMany(double seconds) =>
        new()
        {
            ["message"] = "You are being rate limited.",
            ["retry_after"] = seconds,
            ["global"] = false,
        };

    // Whether the call has failed, with nothing done.
    static async Task<bool> Fails(HttpContext context, Fault fault)
    {
        switch (fault)
        {
            case Fault.TooMany:
                await Write(context, 429, TooMany(0.95));
                return true;
            case Fault.BadGateway:
                context.Response.StatusCode = 502;
                await context.Response.WriteAsync("<html>Bad Gateway</html>");
                return true;
            case Fault.CutBefore:
                context.Abort();
                return true;
            default:
                return false;
        }
    }

    static Task Refuse(HttpContext context, int status, int code, string message) =>
        Write(context, status, Answer.Error(status, code, message).Json);

    static async Task Write(HttpContext context, int status, JsonNode? json)
    {
        context.Response.StatusCode = status;
        if (json is null)
            return;
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(json.ToJsonString());
    }

    async Task TakeConnection(HttpContext context)
    {
        var fault = Note(Call.Read);
        if (await Fails(context, fault))
            return;

        using var socket = await context.WebSockets.AcceptWebSocketAsync();
        using var end = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        var mine = new Connection(socket);
        lock (Gate)
            connection = mine;
        mine.Out.Writer.TryWrite(
            new()
            {
                ["op"] = 10,
                ["d"] = new JsonObject { ["heartbeat_interval"] = HeartbeatInterval.TotalMilliseconds },
            }
        );
        var sending = SendAll(mine, end.Token);
        try
        {
            while (await Receive(socket, end.Token) is { } payload)
            {
                if (fault is Fault.CutAfter)
                    return;
                if (Hear(mine, payload, $"{context.Request.Path}") is { } code)
                {
                    await socket.CloseAsync((WebSocketCloseStatus)code, "", end.Token);
                    return;
                }
            }
        }
        catch (Exception gone) when (gone is WebSocketException or OperationCanceledException or IOException)
        {
            // As connections go.
        }
        finally
        {
            lock (Gate)
            {
                if (connection == mine)
                    connection = null;
            }

            await end.CancelAsync();
            socket.Abort();
            await sending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    // The code to close the connection with; null for none.
    int? Hear(Connection mine, JsonObject payload, string path)
    {
        lock (Gate)
        {
            var data = payload["d"];
            switch ((int)payload["op"]!)
            {
                case 1:
                    confirmed = Math.Max(confirmed, (long?)data ?? 0);
                    if (IsAlive)
                        mine.Out.Writer.TryWrite(new() { ["op"] = 11 });
                    return null;

                case 2 when CloseCode is { } code:
                    opened.Add("closed");
                    return code;

                case 2:
                    mine.Intents = (int)data!["intents"]!;
                    opened.Add($"identify {mine.Intents}");
                    if ((string?)data["token"] != Token)
                        return 4004;
                    if ((mine.Intents & MessageContent) != 0 && !HasContentIntent)
                        return 4014;

                    SessionsLeft--;
                    session = $"session{++lastSession}";
                    (lastEvent, confirmed) = (0, 0);
                    events.Clear();
                    mine.IsOpen = true;
                    Dispatch(
                        "READY",
                        new()
                        {
                            ["v"] = 10,
                            ["user"] = Me(),
                            ["session_id"] = session,
                            ["resume_gateway_url"] = $"ws://{Url.Authority}/resume",
                        }
                    );
                    return null;

                case 6:
                    opened.Add($"resume {path}");
                    if ((string?)data!["token"] != Token)
                        return 4004;
                    var seen = (long)data["seq"]!;
                    if (Untidy || (string?)data["session_id"] != session || seen > lastEvent)
                    {
                        session = null;
                        mine.Out.Writer.TryWrite(new() { ["op"] = 9, ["d"] = false });
                        return null;
                    }

                    confirmed = Math.Max(confirmed, seen);
                    // What was asked for when the session began.
                    mine.Intents = GuildMessages | MessageContent;
                    foreach (var missed in events.Where(x => x.Number > seen))
                        Send(mine, missed.Payload);
                    mine.IsOpen = true;
                    Dispatch("RESUMED", []);
                    return null;

                default:
                    return 4001;
            }
        }
    }

    static async Task SendAll(Connection to, CancellationToken cancel)
    {
        await foreach (var payload in to.Out.Reader.ReadAllAsync(cancel))
            await to.Socket.SendAsync(
                Encoding.UTF8.GetBytes(payload.ToJsonString()),
                WebSocketMessageType.Text,
                endOfMessage: true,
                cancel
            );
    }

    static async Task<JsonObject?> Receive(WebSocket socket, CancellationToken cancel)
    {
        // More than 4,096 bytes it does not take.
        var buffer = new byte[4096];
        var received = await socket.ReceiveAsync(buffer, cancel);
        return received.MessageType is WebSocketMessageType.Close
            ? null
            : JsonNode.Parse(buffer.AsSpan(0, received.Count))!.AsObject();
    }
}
