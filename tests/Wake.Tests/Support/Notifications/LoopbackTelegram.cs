using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Wake.Testing;

namespace Wake.Tests.Support;

/// <summary>
/// The Bot API of Telegram on loopback, with one bot in one chat: https://core.telegram.org/bots/api. It refuses what
/// the real one refuses, and fails as it is ordered to.
/// </summary>
public sealed class LoopbackTelegram : IAsyncDisposable
{
    public const string Token = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw_";
    public const long Chat = -1001234567890;

    // Telegram's own bounds.
    const int MaxText = 4096;
    const int MaxCallbackData = 64;

    readonly WebApplication app;
    readonly Lock gate = new();
    readonly List<Message> messages = [];
    readonly List<(string Press, string Text)> told = [];
    readonly List<(int Id, JsonObject Json)> updates = [];
    readonly List<(string Method, DateTimeOffset At)> calls = [];
    TaskCompletionSource arrived = new(TaskCreationOptions.RunContinuationsAsynchronously);
    TaskCompletionSource? reader;
    int lastMessage = 1000;
    int lastUpdate = 5000;
    int lastPress;

    LoopbackTelegram(WebApplication app) => this.app = app;

    /// <summary>A message of the bot.</summary>
    public sealed record Message(int Id, int? ReplyTo, IReadOnlyList<string> Shown, IReadOnlyList<Button> Buttons)
    {
        /// <summary>What it shows now.</summary>
        public string Text => Shown[^1];

        /// <summary>The pieces that are shown as they are, in what it shows now.</summary>
        public IReadOnlyList<string> Verbatim { get; init; } = [];
    }

    public sealed record Button(string Label, string Data);

    /// <summary>A person of the chat.</summary>
    public sealed record Person(long Id, string Name, string? Handle = null);

    /// <summary>What goes wrong with a call.</summary>
    public enum Fault
    {
        None,

        /// <summary>429, to come again in a second.</summary>
        TooMany,

        /// <summary>502, and nothing was done.</summary>
        BadGateway,

        /// <summary>The connection is cut, and nothing was done.</summary>
        CutBefore,

        /// <summary>It is done, and the connection is cut before the answer.</summary>
        CutAfter,

        /// <summary>It is done, and there is no answer.</summary>
        SilentAfter,
    }

    public static Person Anna { get; } = new(7, "Anna", "anna");
    public static Person Ben { get; } = new(8, "Ben");
    public static Person Stranger { get; } = new(666, "Mallory", "mallory");

    public Uri Url => new(app.Urls.First());

    /// <summary>What goes wrong with each call, by its method.</summary>
    public Func<string, Fault> Faults { get; set; } = _ => Fault.None;

    /// <summary>Each update is told twice, and those of one answer in the wrong order.</summary>
    public bool Untidy { get; set; }

    public IReadOnlyList<Message> Messages
    {
        get
        {
            lock (gate)
                return [.. messages];
        }
    }

    /// <summary>What was said to who has pressed, by the press.</summary>
    public IReadOnlyList<(string Press, string Text)> Told
    {
        get
        {
            lock (gate)
                return [.. told];
        }
    }

    public IReadOnlyList<(string Method, DateTimeOffset At)> Calls
    {
        get
        {
            lock (gate)
                return [.. calls];
        }
    }

    /// <summary>How many updates nobody has confirmed.</summary>
    public int Unread
    {
        get
        {
            lock (gate)
                return updates.Count;
        }
    }

    public static async Task<LoopbackTelegram> Start(int port = 0)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port));
        var telegram = new LoopbackTelegram(builder.Build());
        telegram.app.Run(telegram.Take);
        await telegram.app.StartAsync();
        return telegram;
    }

    /// <summary>The settings of a target that is this chat, in which Anna and Ben may answer.</summary>
    public Dictionary<string, string?> Settings(string name) =>
        new()
        {
            [$"{name}:Kind"] = "Telegram",
            [$"{name}:Token"] = Token,
            [$"{name}:Chat"] = $"{Chat}",
            [$"{name}:BaseUrl"] = $"{Url}",
            [$"{name}:Users:0"] = $"{Anna.Id}",
            [$"{name}:Users:1"] = $"{Ben.Id}",
        };

    /// <summary>The same as variables.</summary>
    public Dictionary<string, string> Variables(string name) =>
        Settings(name).ToDictionary(x => $"Notifications__{x.Key.Replace(":", "__")}", x => x.Value!);

    /// <summary>A message that shows a text by now.</summary>
    public Task<Message> Shows(string text) =>
        Eventually.Sees(
            () => Task.FromResult(Messages.FirstOrDefault(x => x.Text.Contains(text))),
            $"the chat shows: {text}"
        );

    /// <summary>Somebody presses a button, and is told something.</summary>
    public async Task<string> Press(Message message, string label, Person person)
    {
        var press = StartPress(message, label, person);
        return (
            await Eventually.Sees(
                () => Task.FromResult(Told.Where(x => x.Press == press).Select(x => x.Text).FirstOrDefault()),
                $"{person.Name} is told about {label}"
            )
        )!;
    }

    /// <summary>Somebody presses a button.</summary>
    /// <returns>The press.</returns>
    public string StartPress(Message message, string label, Person person)
    {
        var shown = Messages.Single(x => x.Id == message.Id);
        var button =
            shown.Buttons.FirstOrDefault(x => x.Label.Contains(label))
            ?? message.Buttons.First(x => x.Label.Contains(label));
        return StartPressOf(message.Id, button.Data, person);
    }

    /// <summary>A client presses what it likes.</summary>
    public string StartPressOf(int message, string data, Person person)
    {
        var press = $"press {Interlocked.Increment(ref lastPress)}";
        Push(
            "callback_query",
            new()
            {
                ["id"] = press,
                ["from"] = From(person),
                ["chat_instance"] = "1",
                ["data"] = data,
                ["message"] = new JsonObject
                {
                    ["message_id"] = message,
                    ["date"] = 1,
                    ["chat"] = ChatJson(),
                },
            }
        );
        return press;
    }

    /// <summary>Somebody writes something. Returns the id of their message.</summary>
    public int Write(string text, Person person, int? replyTo = null)
    {
        var id = Interlocked.Increment(ref lastMessage);
        var message = new JsonObject
        {
            ["message_id"] = id,
            ["from"] = From(person),
            ["date"] = DateTimeOffset.UtcNow.ToUnixTimeSeconds(),
            ["chat"] = ChatJson(),
            ["text"] = text,
        };
        if (replyTo is { } other)
            message["reply_to_message"] = new JsonObject
            {
                ["message_id"] = other,
                ["date"] = 1,
                ["chat"] = ChatJson(),
            };
        Push("message", message);
        return id;
    }

    void Push(string kind, JsonObject json)
    {
        lock (gate)
        {
            updates.Add((++lastUpdate, new() { ["update_id"] = lastUpdate, [kind] = json }));
            arrived.TrySetResult();
        }
    }

    static JsonObject From(Person person)
    {
        var from = new JsonObject
        {
            ["id"] = person.Id,
            ["is_bot"] = false,
            ["first_name"] = person.Name,
        };
        if (person.Handle is { } handle)
            from["username"] = handle;
        return from;
    }

    static JsonObject ChatJson() =>
        new()
        {
            ["id"] = Chat,
            ["type"] = "supergroup",
            ["title"] = "ops",
        };

    async Task Take(HttpContext context)
    {
        if (context.Request.Path.Value?.Split('/') is not ["", var bot, var method] || bot != $"bot{Token}")
        {
            await Refuse(context, 401, "Unauthorized");
            return;
        }

        using var text = new StreamReader(context.Request.Body);
        var json = await text.ReadToEndAsync();
        var body = json.Length == 0 ? new JsonObject() : JsonNode.Parse(json)!.AsObject();
        lock (gate)
            calls.Add((method, DateTimeOffset.UtcNow));
        var fault = Faults(method);
        switch (fault)
        {
            case Fault.TooMany:
                await Refuse(context, 429, "Too Many Requests: retry after 1", new() { ["retry_after"] = 1 });
                return;
            case Fault.BadGateway:
                await Refuse(context, 502, "Bad Gateway");
                return;
            case Fault.CutBefore:
                context.Abort();
                return;
        }

        var (status, result) = method.ToLowerInvariant() switch
        {
            "getme" => (
                200,
                new JsonObject
                {
                    ["id"] = 1,
                    ["is_bot"] = true,
                    ["first_name"] = "Wake",
                    ["username"] = "wake_bot",
                }
            ),
            "getchat" => (200, GetChat()),
            "getwebhookinfo" => (
                200,
                new JsonObject
                {
                    ["url"] = "",
                    ["has_custom_certificate"] = false,
                    ["pending_update_count"] = 0,
                }
            ),
            "sendmessage" => SendMessage(body),
            "editmessagetext" => EditMessage(body),
            "answercallbackquery" => AnswerPress(body),
            "getupdates" => await GetUpdates(body, context.RequestAborted),
            _ => (404, JsonValue.Create("Not Found")),
        };

        if (fault is Fault.CutAfter)
        {
            context.Abort();
            return;
        }

        if (fault is Fault.SilentAfter)
            await Task.Delay(Timeout.Infinite, context.RequestAborted)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        if (status != 200)
            await Refuse(context, status, $"{result}");
        else
            await Answer(context, 200, new() { ["ok"] = true, ["result"] = result });
    }

    static JsonObject GetChat()
    {
        var chat = ChatJson();
        chat["accent_color_id"] = 1;
        chat["max_reaction_count"] = 1;
        chat["accepted_gift_types"] = new JsonObject();
        return chat;
    }

    (int, JsonNode?) SendMessage(JsonObject body)
    {
        if (Problem(body) is { } problem)
            return (400, problem);

        lock (gate)
        {
            var message = new Message(
                ++lastMessage,
                (int?)body["reply_parameters"]?["message_id"],
                [(string)body["text"]!],
                Buttons(body)
            )
            {
                Verbatim = Verbatim(body),
            };
            messages.Add(message);
            return (200, ToJson(message));
        }
    }

    (int, JsonNode?) EditMessage(JsonObject body)
    {
        if (Problem(body) is { } problem)
            return (400, problem);

        lock (gate)
        {
            var at = messages.FindIndex(x => x.Id == (int)body["message_id"]!);
            if (at < 0)
                return (400, "Bad Request: message to edit not found");

            var (text, buttons) = ((string)body["text"]!, Buttons(body));
            if (messages[at].Text == text && messages[at].Buttons.SequenceEqual(buttons))
                return (400, "Bad Request: message is not modified: specified new message content is exactly the same");

            messages[at] = messages[at] with
            {
                Shown = [.. messages[at].Shown, text],
                Buttons = buttons,
                Verbatim = Verbatim(body),
            };
            return (200, ToJson(messages[at]));
        }
    }

    (int, JsonNode?) AnswerPress(JsonObject body)
    {
        var text = (string?)body["text"] ?? "";
        if (text.Length > 200)
            return (400, "Bad Request: MESSAGE_TOO_LONG");

        lock (gate)
            told.Add(((string)body["callback_query_id"]!, text));
        return (200, JsonValue.Create(true));
    }

    async Task<(int, JsonNode?)> GetUpdates(JsonObject body, CancellationToken aborted)
    {
        var patience = TimeSpan.FromSeconds((int?)body["timeout"] ?? 0);
        var mine = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (gate)
        {
            // Who asks while another does takes its place.
            reader?.TrySetResult();
            reader = mine;
            if ((int?)body["offset"] is { } offset)
                updates.RemoveAll(x => x.Id < offset);
        }

        try
        {
            while (true)
            {
                Task more;
                lock (gate)
                {
                    if (updates.Count > 0)
                    {
                        var all = updates.Select(x => x.Json);
                        if (Untidy)
                            all = all.Reverse().SelectMany(x => new[] { x, x });
                        return (200, new JsonArray([.. all.Select(x => x.DeepClone())]));
                    }

                    if (arrived.Task.IsCompleted)
                        arrived = new(TaskCreationOptions.RunContinuationsAsynchronously);
                    more = arrived.Task;
                }

                var first = await Task.WhenAny(more, mine.Task, Task.Delay(patience, aborted));
                if (first == mine.Task)
                    return (409, "Conflict: terminated by other getUpdates request");
                if (first != more)
                    return (200, new JsonArray());
            }
        }
        finally
        {
            lock (gate)
            {
                if (reader == mine)
                    reader = null;
            }
        }
    }

    static string? Problem(JsonObject body)
    {
        var text = (string?)body["text"] ?? "";
        if ((long?)body["chat_id"] != Chat)
            return "Bad Request: chat not found";
        if (string.IsNullOrWhiteSpace(text))
            return "Bad Request: message text is empty";
        if (text.Length > MaxText)
            return "Bad Request: message is too long";
        if (Buttons(body).Any(x => Encoding.UTF8.GetByteCount(x.Data) is 0 or > MaxCallbackData))
            return "Bad Request: BUTTON_DATA_INVALID";
        return body["entities"]?.AsArray().Any(x => (int)x!["offset"]! + (int)x["length"]! > text.Length) is true
            ? "Bad Request: entity beyond the text"
            : null;
    }

    static IReadOnlyList<Button> Buttons(JsonObject body) =>
        body["reply_markup"]?["inline_keyboard"] is JsonArray rows
            ?
            [
                .. rows.SelectMany(x => x!.AsArray())
                    .Select(x => new Button((string)x!["text"]!, (string)x["callback_data"]!)),
            ]
            : [];

    static IReadOnlyList<string> Verbatim(JsonObject body) =>
        [
            .. (body["entities"]?.AsArray() ?? [])
                .Where(x => (string?)x!["type"] is "code" or "pre")
                .Select(x => ((string)body["text"]!).Substring((int)x!["offset"]!, (int)x["length"]!)),
        ];

    static JsonObject ToJson(Message message) =>
        new()
        {
            ["message_id"] = message.Id,
            ["date"] = DateTimeOffset.UtcNow.ToUnixTimeSeconds(),
            ["chat"] = ChatJson(),
            ["text"] = message.Text,
        };

    static Task Refuse(HttpContext context, int status, string why, JsonObject? parameters = null)
    {
        var answer = new JsonObject
        {
            ["ok"] = false,
            ["error_code"] = status,
            ["description"] = why,
        };
        if (parameters is not null)
            answer["parameters"] = parameters;
        return Answer(context, status, answer);
    }

    static async Task Answer(HttpContext context, int status, JsonObject json)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(json.ToJsonString());
    }

    public async ValueTask DisposeAsync()
    {
        // Who waits for updates is not waited for.
        lock (gate)
            reader?.TrySetResult();
        await app.StopAsync(new CancellationToken(true));
        await app.DisposeAsync();
    }
}
