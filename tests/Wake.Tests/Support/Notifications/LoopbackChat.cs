using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Wake.Notifier;
using Wake.Testing;

namespace Wake.Tests.Support;

/// <summary>
/// A chat on loopback, as the people in it see and use it. Each kind speaks its own protocol, refuses what the real one
/// refuses, and fails as it is ordered to.
/// </summary>
public abstract class LoopbackChat : IAsyncDisposable
{
    readonly List<Message> messages = [];
    readonly List<(string Press, string Text)> told = [];
    readonly List<(Call Call, DateTimeOffset At)> calls = [];
    WebApplication? app;
    int lastPress;

    /// <summary>A message of the bot.</summary>
    public sealed record Message(string Id, string? ReplyTo, IReadOnlyList<string> Shown, IReadOnlyList<Button> Buttons)
    {
        /// <summary>What it shows now.</summary>
        public string Text => Shown[^1];

        /// <summary>The pieces that are shown as they are, in what it shows now.</summary>
        public IReadOnlyList<string> Verbatim { get; init; } = [];
    }

    public sealed record Button(string Label, string Data);

    /// <summary>A person of the chat.</summary>
    public sealed record Person(long Id, string Name, string? Handle = null);

    /// <summary>What Wake asks of a chat.</summary>
    public enum Call
    {
        Other,
        Post,
        Edit,

        /// <summary>Who has pressed a button is told something.</summary>
        Acknowledge,

        /// <summary>It begins to read what people do, or goes on with it.</summary>
        Read,
    }

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

    public Uri Url => new(app!.Urls.First());

    /// <summary>What goes wrong with each call.</summary>
    public Func<Call, Fault> Faults { get; set; } = _ => Fault.None;

    /// <summary>What people do is told twice, and in the wrong order.</summary>
    public bool Untidy { get; set; }

    /// <summary>The messages of the bot, in their order.</summary>
    public IReadOnlyList<Message> Messages
    {
        get
        {
            lock (Gate)
                return [.. messages];
        }
    }

    /// <summary>What was said to who has pressed, by the press.</summary>
    public IReadOnlyList<(string Press, string Text)> Told
    {
        get
        {
            lock (Gate)
                return [.. told];
        }
    }

    public IReadOnlyList<(Call Call, DateTimeOffset At)> Calls
    {
        get
        {
            lock (Gate)
                return [.. calls];
        }
    }

    /// <summary>How much of what people did nobody has taken.</summary>
    public abstract int Unread { get; }

    /// <summary>Whether it can be asked if a message has arrived.</summary>
    public virtual bool KnowsWhatArrived => false;

    /// <summary>Starts one of a kind.</summary>
    public static Task<LoopbackChat> Start(NotificationKind kind, int port = 0) =>
        Start<LoopbackChat>(
            kind switch
            {
                NotificationKind.Telegram => new LoopbackTelegram(),
                NotificationKind.Slack => new LoopbackSlack(),
                NotificationKind.Discord => new LoopbackDiscord(),
                _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "It is no chat."),
            },
            port
        );

    private protected static async Task<T> Start<T>(T chat, int port)
        where T : LoopbackChat
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port));
        chat.app = builder.Build();
        chat.app.UseWebSockets();
        chat.app.Run(chat.Take);
        await chat.app.StartAsync();
        return chat;
    }

    /// <summary>The settings of a target that is this chat, in which Anna and Ben may answer.</summary>
    public abstract Dictionary<string, string?> Settings(string name);

    /// <summary>The same as variables.</summary>
    public Dictionary<string, string> Variables(string name) =>
        Settings(name).ToDictionary(x => $"Notifications__{x.Key.Replace(":", "__")}", x => x.Value!);

    /// <summary>How Wake calls somebody: the name, and the id in brackets.</summary>
    public abstract string NameOf(Person person);

    /// <summary>A command as it is written where a word alone would be an answer.</summary>
    public abstract string Command(string word);

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

    /// <summary>Somebody presses a button, and the message shows that.</summary>
    public async Task Choose(Message message, string label, Person person)
    {
        var before = Shown();
        StartPress(message, label, person);
        await Eventually.Holds(
            () => Task.FromResult(Shown() > before),
            $"the message shows that {person.Name} has chosen {label}"
        );

        int Shown() => Messages.Single(x => x.Id == message.Id).Shown.Count;
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
    public string StartPressOf(string message, string data, Person person)
    {
        var press = $"press-{Interlocked.Increment(ref lastPress)}";
        TellPress(press, message, data, person);
        return press;
    }

    /// <summary>Somebody writes something. Returns the id of their message.</summary>
    /// <param name="text">What.</param>
    /// <param name="person">Who.</param>
    /// <param name="replyTo">The message that it answers, or whose thread it stands in.</param>
    public abstract string Write(string text, Person person, string? replyTo = null);

    /// <summary>Whoever reads what people do is cut off, and may begin again.</summary>
    public abstract void Disconnect();

    private protected Lock Gate { get; } = new();

    // Within the gate.
    private protected List<Message> Posted => messages;

    private protected abstract void TellPress(string press, string message, string data, Person person);

    private protected abstract Task Take(HttpContext context);

    private protected Fault Note(Call call)
    {
        lock (Gate)
            calls.Add((call, DateTimeOffset.UtcNow));
        return Faults(call);
    }

    private protected void NoteTold(string press, string text)
    {
        lock (Gate)
            told.Add((press, text));
    }

    public async ValueTask DisposeAsync()
    {
        // Who waits for what people do is not waited for.
        Disconnect();
        if (app is not null)
        {
            await app.StopAsync(new CancellationToken(true));
            await app.DisposeAsync();
        }

        GC.SuppressFinalize(this);
    }
}
