using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Wake.Tests.Support;

/// <summary>The Bot API of Telegram, with one bot in one chat: https://core.telegram.org/bots/api.</summary>
public sealed class LoopbackTelegram : LoopbackChat
{
    public const string Token = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw_";
    public const long Chat = -1001234567890;

    // Telegram's own bounds.
    const int MaxText = 4096;
    const int MaxCallbackData = 64;

    readonly List<(int Id, JsonObject Json)> updates = [];
    TaskCompletionSource arrived = new(TaskCreationOptions.RunContinuationsAsynchronously);
    TaskCompletionSource? reader;
    int lastMessage = 1000;
    int lastUpdate = 5000;

    /// <summary>How many updates nobody has confirmed.</summary>
    public override int Unread
    {
        get
        {
            lock (Gate)
                return updates.Count;
        }
    }

    public static Task<LoopbackTelegram> Start(int port = 0) => Start(new LoopbackTelegram(), port);

    public override Dictionary<string, string?> Settings(string name) =>
        new()
        {
            [$"{name}:Kind"] = "Telegram",
            [$"{name}:Token"] = Token,
            [$"{name}:Chat"] = $"{Chat}",
            [$"{name}:BaseUrl"] = $"{Url}",
            [$"{name}:Users:0"] = $"{Anna.Id}",
            [$"{name}:Users:1"] = $"{Ben.Id}",
        };

    public override string NameOf(Person person) =>
        $"{person.Name}{(person.Handle is { } handle ? $" (@{handle})" : "")} [{person.Id}]";

    public override string Command(string word) => $"/{word}@wake_bot";

    public override string Write(string text, Person person, string? replyTo = null)
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
        if (replyTo is not null)
            message["reply_to_message"] = new JsonObject
            {
                ["message_id"] = Number(replyTo),
                ["date"] = 1,
                ["chat"] = ChatJson(),
            };
        Push("message", message);
        return Text(id);
    }

    public override void Disconnect()
    {
        lock (Gate)
            reader?.TrySetResult();
    }

    private protected override void TellPress(string press, string message, string data, Person person) =>
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
                    ["message_id"] = Number(message),
                    ["date"] = 1,
                    ["chat"] = ChatJson(),
                },
            }
        );

    void Push(string kind, JsonObject json)
    {
        lock (Gate)
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

    private protected override async Task Take(HttpContext context)
    {
        if (context.Request.Path.Value?.Split('/') is not ["", var bot, var method] || bot != $"bot{Token}")
        {
            await Refuse(context, 401, "Unauthorized");
            return;
        }

        using var text = new StreamReader(context.Request.Body);
        var json = await text.ReadToEndAsync();
        var body = json.Length == 0 ? new JsonObject() : JsonNode.Parse(json)!.AsObject();
        var fault = Note(
            method switch
            {
                "sendMessage" => Call.Post,
                "editMessageText" => Call.Edit,
                "answerCallbackQuery" => Call.Acknowledge,
                "getUpdates" => Call.Read,
                _ => Call.Other,
            }
        );
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

        lock (Gate)
        {
            var message = new Message(
                Text(++lastMessage),
                (int?)body["reply_parameters"]?["message_id"] is { } other ? Text(other) : null,
                [(string)body["text"]!],
                Buttons(body)
            )
            {
                Verbatim = Verbatim(body),
            };
            Posted.Add(message);
            return (200, ToJson(message));
        }
    }

    (int, JsonNode?) EditMessage(JsonObject body)
    {
        if (Problem(body) is { } problem)
            return (400, problem);

        lock (Gate)
        {
            var at = Posted.FindIndex(x => x.Id == Text((int)body["message_id"]!));
            if (at < 0)
                return (400, "Bad Request: message to edit not found");

            var (text, buttons) = ((string)body["text"]!, Buttons(body));
            if (Posted[at].Text == text && Posted[at].Buttons.SequenceEqual(buttons))
                return (400, "Bad Request: message is not modified: specified new message content is exactly the same");

            Posted[at] = Posted[at] with
            {
                Shown = [.. Posted[at].Shown, text],
                Buttons = buttons,
                Verbatim = Verbatim(body),
            };
            return (200, ToJson(Posted[at]));
        }
    }

    (int, JsonNode?) AnswerPress(JsonObject body)
    {
        var text = (string?)body["text"] ?? "";
        if (text.Length > 200)
            return (400, "Bad Request: MESSAGE_TOO_LONG");

        NoteTold((string)body["callback_query_id"]!, text);
        return (200, JsonValue.Create(true));
    }

    async Task<(int, JsonNode?)> GetUpdates(JsonObject body, CancellationToken aborted)
    {
        var patience = TimeSpan.FromSeconds((int?)body["timeout"] ?? 0);
        var mine = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (Gate)
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
                lock (Gate)
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
            lock (Gate)
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
            ["message_id"] = Number(message.Id),
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

    static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
