using System.Globalization;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;

namespace Wake.Tests.Support;

/// <summary>
/// The Web API of Slack and its Socket Mode, with one app in one channel: https://docs.slack.dev. An event that happens
/// while nobody is connected is told to nobody; who presses a button then presses again.
/// </summary>
public sealed partial class LoopbackSlack : LoopbackChat
{
    public const string Token = "xoxb-1234567890123-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx";
    public const string AppToken = "xapp-1-A0123456789-1234567890123-abcdef0123456789";
    public const string Channel = "C0123456789";
    const string Bot = "U0WAKE";
    const string BotId = "B0WAKE";

    // Slack's own bounds.
    const int MaxBlocks = 50;
    const int MaxSection = 3000;
    const int MaxButtons = 25;
    const int MaxLabel = 75;
    const int MaxValue = 2000;
    const int MaxBoxes = 10;
    const int MaxBoxValue = 150;
    const int MaxAction = 255;

    readonly List<JsonObject> written = [];
    readonly List<Envelope> envelopes = [];
    readonly List<Connection> connections = [];
    readonly List<TimeSpan> waits = [];
    readonly Dictionary<string, List<JsonObject>> blocks = [];
    long lastTime;
    int lastEnvelope;

    /// <summary>Wake may not read what stands in the channel.</summary>
    public bool IsHistoryHidden { get; set; }

    /// <summary>How many connections there were at most at the same time.</summary>
    public int MostConnections { get; private set; }

    /// <summary>How long each envelope waited until it was acknowledged.</summary>
    public IReadOnlyList<TimeSpan> Waits
    {
        get
        {
            lock (Gate)
                return [.. waits];
        }
    }

    public int Connections
    {
        get
        {
            lock (Gate)
                return connections.Count;
        }
    }

    public override int Unread
    {
        get
        {
            lock (Gate)
                return envelopes.Count;
        }
    }

    public override bool KnowsWhatArrived => !IsHistoryHidden;

    public static Task<LoopbackSlack> Start(int port = 0) => Start(new LoopbackSlack(), port);

    public override Dictionary<string, string?> Settings(string name) =>
        new()
        {
            [$"{name}:Kind"] = "Slack",
            [$"{name}:Token"] = Token,
            [$"{name}:AppToken"] = AppToken,
            [$"{name}:Chat"] = Channel,
            [$"{name}:BaseUrl"] = $"{Url}",
            [$"{name}:Users:0"] = Id(Anna),
            [$"{name}:Users:1"] = Id(Ben),
        };

    public override string NameOf(Person person) => $"{person.Name} [{Id(person)}]";

    public override string Command(string word) => $"<@{Bot}> {word}";

    public override string Write(string text, Person person, string? replyTo = null)
    {
        lock (Gate)
        {
            var ts = NextTime();
            var message = new JsonObject
            {
                ["type"] = "message",
                ["user"] = Id(person),
                ["text"] = text.StartsWith($"<@{Bot}>", StringComparison.Ordinal) ? text : Escape(text),
                ["ts"] = ts,
            };
            if (replyTo is not null)
                message["thread_ts"] = Root(replyTo);
            written.Add(message);

            var told = message.DeepClone().AsObject();
            told["channel"] = Channel;
            told["channel_type"] = "channel";
            told["event_ts"] = ts;
            if (connections.Count > 0)
                Push(
                    "events_api",
                    new()
                    {
                        ["type"] = "event_callback",
                        ["team_id"] = "T0123456789",
                        ["event_id"] = $"Ev{lastEnvelope}",
                        ["event"] = told,
                    },
                    null
                );
            return ts;
        }
    }

    /// <summary>Slack is about to replace its connections, and closes each when another has come.</summary>
    public void Refresh()
    {
        lock (Gate)
        {
            foreach (var connection in connections)
            {
                connection.IsLeaving = true;
                connection.Send(new() { ["type"] = "disconnect", ["reason"] = "refresh_requested" });
            }
        }
    }

    public override void Disconnect()
    {
        lock (Gate)
        {
            foreach (var connection in connections)
                connection.Cut();
        }
    }

    private protected override void TellPress(string press, string message, string data, Person person)
    {
        lock (Gate)
            Push(
                "interactive",
                new()
                {
                    ["type"] = "block_actions",
                    ["trigger_id"] = press,
                    ["response_url"] = $"{Url}actions/{press}",
                    ["user"] = new JsonObject { ["id"] = Id(person), ["username"] = person.Name.ToLowerInvariant() },
                    ["channel"] = new JsonObject { ["id"] = Channel, ["name"] = "ops" },
                    ["container"] = new JsonObject
                    {
                        ["type"] = "message",
                        ["message_ts"] = message,
                        ["channel_id"] = Channel,
                        ["is_ephemeral"] = false,
                    },
                    ["actions"] = new JsonArray(Action(message, data)),
                },
                press
            );
    }

    /// <summary>The times that a message shows by the clock of its reader.</summary>
    public IReadOnlyList<string> Clocks(Message message)
    {
        lock (Gate)
            return
            [
                .. blocks[message.Id]
                    .Where(x => (string?)x["type"] == "context")
                    .Select(x => (string)x["elements"]![0]!["text"]!),
            ];
    }

    // Within the gate. Of boxes all is told that is ticked after this.
    JsonObject Action(string message, string data)
    {
        var action = new JsonObject { ["action_ts"] = NextTime() };
        if (data.Split('\n') is not [var name, var option])
        {
            action["type"] = "button";
            action["action_id"] = "b0";
            action["value"] = data;
            return action;
        }

        var boxes = blocks[message]
            .Where(x => (string?)x["type"] == "actions")
            .Select(x => x["elements"]![0]!)
            .Single(x => (string?)x["action_id"] == name);
        var ticked = Values(boxes["initial_options"]).ToHashSet();
        if (!ticked.Remove(option))
            ticked.Add(option);
        action["type"] = "checkboxes";
        action["action_id"] = name;
        action["selected_options"] = new JsonArray([
            .. boxes["options"]!
                .AsArray()
                .Where(x => ticked.Contains((string)x!["value"]!))
                .Select(x => x!.DeepClone()),
        ]);
        return action;
    }

    static IEnumerable<string> Values(JsonNode? options) => options?.AsArray().Select(x => (string)x!["value"]!) ?? [];

    // Within the gate.
    void Push(string type, JsonObject payload, string? press)
    {
        envelopes.Add(
            new(
                $"envelope-{++lastEnvelope}",
                new()
                {
                    ["type"] = type,
                    ["accepts_response_payload"] = press is not null,
                    ["payload"] = payload,
                }
            )
        );
        Deliver();
    }

    // Within the gate. What was told by a connection that is gone is told again by the next.
    void Deliver()
    {
        if (connections.FindLast(x => !x.IsLeaving) is not { } connection)
            return;

        foreach (var envelope in envelopes.Where(x => x.By is null || !connections.Contains(x.By)))
        {
            var json = envelope.Json.DeepClone().AsObject();
            json["envelope_id"] = envelope.Id;
            json["retry_attempt"] = envelope.By is null ? 0 : 1;
            envelope.By = connection;
            envelope.At = DateTimeOffset.UtcNow;
            connection.Send(json);
            if (Untidy)
                connection.Send(json.DeepClone().AsObject());
        }
    }

    private protected override async Task Take(HttpContext context)
    {
        var path = context.Request.Path.Value ?? "";
        if (path == "/link")
        {
            await Serve(context);
            return;
        }

        var isResponse = path.StartsWith("/actions/", StringComparison.Ordinal);
        var method = path.Split('/')[^1];
        var fault = Note(
            isResponse
                ? Call.Acknowledge
                : method switch
                {
                    "chat.postMessage" => Call.Post,
                    "chat.update" => Call.Edit,
                    "apps.connections.open" => Call.Read,
                    _ => Call.Other,
                }
        );
        switch (fault)
        {
            case Fault.TooMany:
                context.Response.Headers.RetryAfter = "1";
                await Answer(context, 429, new() { ["ok"] = false, ["error"] = "ratelimited" });
                return;
            case Fault.BadGateway:
                context.Response.StatusCode = 502;
                return;
            case Fault.CutBefore:
                context.Abort();
                return;
        }

        JsonObject answer;
        if (isResponse)
        {
            using var body = new StreamReader(context.Request.Body);
            answer = Respond(method, JsonNode.Parse(await body.ReadToEndAsync())!.AsObject());
        }
        else
        {
            var form = await context.Request.ReadFormAsync();
            answer = Do(method, $"{context.Request.Headers.Authorization}", x => form[x].FirstOrDefault());
        }

        if (fault is Fault.CutAfter)
        {
            context.Abort();
            return;
        }

        if (fault is Fault.SilentAfter)
            await Task.Delay(Timeout.Infinite, context.RequestAborted)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await Answer(context, 200, answer);
    }

    JsonObject Do(string method, string authorization, Func<string, string?> field)
    {
        if (authorization != $"Bearer {(method == "apps.connections.open" ? AppToken : Token)}")
            return Refuse("invalid_auth");
        if (method.StartsWith("conversations.", StringComparison.Ordinal) && IsHistoryHidden)
            return Refuse("missing_scope", ("needed", "channels:history"));
        if (method.StartsWith('c') && field("channel") != Channel)
            return Refuse("channel_not_found");

        lock (Gate)
            return method switch
            {
                "auth.test" => Done(("user_id", Bot), ("bot_id", BotId)),
                "apps.connections.open" => Done(("url", $"ws://{Url.Authority}/link")),
                "chat.postMessage" => PostMessage(field),
                "chat.update" => Update(field),
                "conversations.history" => History(
                    field,
                    x =>
                        (string?)x["thread_ts"] is not { } root
                        || root == (string?)x["ts"]
                        || (string?)x["subtype"] == "thread_broadcast",
                    newestFirst: true
                ),
                "conversations.replies" => History(
                    field,
                    x => (string?)x["thread_ts"] == field("ts") || (string?)x["ts"] == field("ts"),
                    newestFirst: false
                ),
                "users.info" => FindUser(field("user")),
                _ => Refuse("unknown_method"),
            };
    }

    JsonObject PostMessage(Func<string, string?> field)
    {
        var (problem, shown, buttons) = Look(field);
        if (problem is not null)
            return Refuse(problem);

        var (ts, thread) = (NextTime(), field("thread_ts"));
        blocks[ts] = Blocks(field);
        if (thread is not null && written.All(x => (string?)x["ts"] != thread))
            return Refuse("thread_not_found");

        var message = new JsonObject
        {
            ["type"] = "message",
            ["user"] = Bot,
            ["bot_id"] = BotId,
            ["text"] = field("text"),
            ["ts"] = ts,
            ["metadata"] = JsonNode.Parse(field("metadata") ?? "null"),
        };
        if (thread is not null)
            message["thread_ts"] = thread;
        if (field("reply_broadcast") == "true")
            message["subtype"] = "thread_broadcast";
        written.Add(message);
        Posted.Add(new(ts, thread, [string.Concat(shown)], buttons) { Verbatim = shown });
        return Done(("ts", ts), ("channel", Channel));
    }

    JsonObject Update(Func<string, string?> field)
    {
        var (problem, shown, buttons) = Look(field);
        if (problem is not null)
            return Refuse(problem);

        var at = Posted.FindIndex(x => x.Id == field("ts"));
        if (at < 0)
            return Refuse("message_not_found");

        blocks[Posted[at].Id] = Blocks(field);
        Posted[at] = Posted[at] with
        {
            Shown = [.. Posted[at].Shown, string.Concat(shown)],
            Buttons = buttons,
            Verbatim = shown,
        };
        return Done(("ts", Posted[at].Id), ("channel", Channel));
    }

    JsonObject History(Func<string, string?> field, Func<JsonObject, bool> isMeant, bool newestFirst)
    {
        var after = field("oldest") ?? "0";
        var meant = written
            .Where(isMeant)
            .Where(x => string.CompareOrdinal((string)x["ts"]!, after) > 0 || (string?)x["ts"] == field("ts"))
            .Select(x => WithReplies(x, field("include_all_metadata") == "true"))
            .ToList();
        if (newestFirst)
            meant.Reverse();
        // A page has two messages here, so that there are several.
        var from = int.Parse(field("cursor") is { Length: > 0 } cursor ? cursor : "0", CultureInfo.InvariantCulture);
        var size =
            field("cursor") is null && field("oldest") is null
                ? int.Parse(field("limit")!, CultureInfo.InvariantCulture)
                : 2;
        var answer = Done();
        answer["messages"] = new JsonArray([.. meant.Skip(from).Take(size)]);
        answer["response_metadata"] = new JsonObject
        {
            ["next_cursor"] = from + size < meant.Count ? $"{from + size}" : "",
        };
        return answer;
    }

    JsonObject WithReplies(JsonObject message, bool withMetadata)
    {
        var shown = message.DeepClone().AsObject();
        if (!withMetadata)
            shown.Remove("metadata");
        var ts = (string)message["ts"]!;
        var replies = written.Where(x => (string?)x["thread_ts"] == ts).ToList();
        if (replies is not [])
        {
            shown["thread_ts"] = ts;
            shown["reply_count"] = replies.Count;
            shown["latest_reply"] = (string?)replies[^1]["ts"];
        }

        return shown;
    }

    static JsonObject FindUser(string? id)
    {
        foreach (var person in (Person[])[Anna, Ben, Stranger])
        {
            if (Id(person) == id)
            {
                var answer = Done();
                answer["user"] = new JsonObject
                {
                    ["id"] = id,
                    ["name"] = person.Handle,
                    ["profile"] = new JsonObject { ["display_name"] = person.Name },
                };
                return answer;
            }
        }

        return Refuse("user_not_found");
    }

    JsonObject Respond(string press, JsonObject body)
    {
        if (
            (string?)body["response_type"] != "ephemeral"
            || (bool?)body["replace_original"] != false
            || Section(body["blocks"]![0]!.AsObject()) is not { } sentence
        )
            return Refuse("invalid_payload");

        NoteTold(press, sentence);
        return Done();
    }

    // What is wrong with a message, or what it shows.
    static (string? Problem, IReadOnlyList<string> Shown, IReadOnlyList<Button> Buttons) Look(
        Func<string, string?> field
    )
    {
        // It is read by eyes alone, and in it <!channel> would call everybody.
        var summary = field("text") ?? "";
        if (
            summary.Length == 0
            || summary.Contains('<')
            || field("parse") != "none"
            || field("link_names") != "false"
            || field("unfurl_links") != "false"
            || field("unfurl_media") != "false"
        )
            return ("invalid_arguments", [], []);

        var blocks = Blocks(field);
        if (blocks.Count is 0 or > MaxBlocks)
            return ("invalid_blocks", [], []);

        List<string> shown = [];
        List<Button> buttons = [];
        HashSet<string> actions = [];
        foreach (var block in blocks)
        {
            switch ((string?)block["type"])
            {
                case "section" when Section(block) is { } text:
                    shown.Add(text);
                    break;

                case "context" when IsClock((string?)block["elements"]![0]!["text"] ?? ""):
                    break;

                case "actions" when block["elements"]!.AsArray() is { Count: > 0 and <= MaxButtons } elements:
                    foreach (var element in elements.Select(x => x!.AsObject()))
                    {
                        if (
                            (string?)element["action_id"] is not { Length: > 0 and <= MaxAction } action
                            || !actions.Add(action)
                            || ReadElement(element, action) is not { Count: > 0 } read
                        )
                            return ("invalid_blocks", [], []);
                        buttons.AddRange(read);
                    }

                    break;

                default:
                    return ("invalid_blocks", [], []);
            }
        }

        return (null, shown, buttons);
    }

    static List<JsonObject> Blocks(Func<string, string?> field) =>
        [.. JsonNode.Parse(field("blocks") ?? "[]")!.AsArray().Select(x => x!.AsObject())];

    // What can be pressed; none when Slack does not take it.
    static List<Button> ReadElement(JsonObject element, string action)
    {
        switch ((string?)element["type"])
        {
            case "button"
                when Plain(element["text"], MaxLabel) is { } label
                    && (string?)element["value"] is { Length: > 0 and <= MaxValue } value:
                return [new(label, value)];

            case "checkboxes" when element["options"]!.AsArray() is { Count: > 0 and <= MaxBoxes } options:
                var values = Values(options).ToList();
                var ticked = Values(element["initial_options"]).ToList();
                if (
                    options.Any(x => Plain(x!["text"], MaxLabel) is null)
                    || values.Any(x => x.Length is 0 or > MaxBoxValue)
                    || values.Distinct().Count() != values.Count
                    || ticked.Except(values).Any()
                    || (element.ContainsKey("initial_options") && ticked is [])
                )
                    return [];
                return
                [
                    .. options.Select(x => new Button(
                        Plain(x!["text"], MaxLabel)!,
                        $"{action}\n{(string)x["value"]!}"
                    )),
                ];

            default:
                return [];
        }
    }

    static bool IsClock(string text) => ClockText().IsMatch(text);

    [GeneratedRegex(@"\ABy your clock: <!date\^[0-9]+\^\{date_short_pretty\} \{time_secs\}\|[0-9: -]+ UTC>\z")]
    private static partial Regex ClockText();

    static string? Section(JsonObject block) =>
        (string?)block["type"] == "section" ? Plain(block["text"], MaxSection) : null;

    static string? Plain(JsonNode? text, int limit) =>
        (string?)text?["type"] == "plain_text"
        && (bool?)text["emoji"] == false
        && (string?)text["text"] is { Length: > 0 } shown
        && shown.Length <= limit
            ? shown
            : null;

    async Task Serve(HttpContext context)
    {
        using var socket = await context.WebSockets.AcceptWebSocketAsync();
        var connection = new Connection(socket, context);
        connection.Send(new() { ["type"] = "hello", ["num_connections"] = 1 });
        lock (Gate)
        {
            connections.Add(connection);
            MostConnections = Math.Max(MostConnections, connections.Count);
            foreach (var old in connections.Where(x => x.IsLeaving))
                old.Close();
            Deliver();
        }

        try
        {
            var buffer = new byte[1024];
            while (await socket.ReceiveAsync(buffer, context.RequestAborted) is { Count: > 0 } part)
                Acknowledged((string)JsonNode.Parse(buffer.AsSpan(0, part.Count))!["envelope_id"]!);
        }
        catch (Exception gone) when (gone is WebSocketException or OperationCanceledException or IOException)
        {
            // So are people's connections.
        }
        finally
        {
            lock (Gate)
            {
                connections.Remove(connection);
                Deliver();
            }
        }
    }

    void Acknowledged(string id)
    {
        lock (Gate)
        {
            if (envelopes.Find(x => x.Id == id) is not { } envelope)
                return;

            waits.Add(DateTimeOffset.UtcNow - envelope.At);
            envelopes.Remove(envelope);
        }
    }

    // Within the gate. Names of messages are times, each later than the one before.
    string NextTime()
    {
        lastTime = Math.Max(lastTime + 1, (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks / 10);
        return string.Create(CultureInfo.InvariantCulture, $"{lastTime / 1_000_000}.{lastTime % 1_000_000:000000}");
    }

    // Within the gate.
    string Root(string message) => (string?)written.First(x => (string?)x["ts"] == message)["thread_ts"] ?? message;

    static string Id(Person person) => string.Create(CultureInfo.InvariantCulture, $"U00{person.Id}");

    static string Escape(string text) =>
        new StringBuilder(text).Replace("&", "&amp;").Replace("<", "&lt;").Replace(">", "&gt;").ToString();

    static JsonObject Done(params (string Name, string Value)[] fields)
    {
        var answer = new JsonObject { ["ok"] = true };
        foreach (var (name, value) in fields)
            answer[name] = value;
        return answer;
    }

    static JsonObject Refuse(string error, params (string Name, string Value)[] fields)
    {
        var answer = Done(fields);
        answer["ok"] = false;
        answer["error"] = error;
        return answer;
    }

    static async Task Answer(HttpContext context, int status, JsonObject json)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(json.ToJsonString());
    }

    /// <summary>Something that the app is told, until it says that it was taken.</summary>
    sealed record Envelope(string Id, JsonObject Json)
    {
        public Connection? By { get; set; }
        public DateTimeOffset At { get; set; }
    }

    sealed class Connection(WebSocket socket, HttpContext context)
    {
        Task sent = Task.CompletedTask;

        public bool IsLeaving { get; set; }

        /// <summary>Sends in the order of the calls.</summary>
        public void Send(JsonObject json)
        {
            var bytes = Encoding.UTF8.GetBytes(json.ToJsonString());
            sent = Next();

            async Task Next()
            {
                await sent.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ForceYielding);
                await socket.SendAsync(bytes, WebSocketMessageType.Text, true, context.RequestAborted);
            }
        }

        public void Close() =>
            sent = sent.ContinueWith(
                    _ => socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, context.RequestAborted),
                    TaskScheduler.Default
                )
                .Unwrap();

        public void Cut() => context.Abort();
    }
}
