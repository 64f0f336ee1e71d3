using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.IO.Enumeration;
using System.Text.RegularExpressions;
using MimeKit;
using Wake.Store;

namespace Wake.Notifier;

/// <summary>Who is told what, by name: <c>Notifications__NAME__Kind</c> and so on.</summary>
public sealed partial class NotificationsOptions : Dictionary<string, NotificationTarget>, IValidatableObject
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Notifications";

    /// <inheritdoc />
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        foreach (var (name, target) in this)
        {
            var problems = Name().IsMatch(name)
                ? target.Problems()
                : ["A name has letters, digits, _ and -, and at most 64 of them."];
            foreach (var problem in problems)
                yield return new($"{Section}:{name}: {problem}");
        }

        foreach (
            var bot in this.Where(x => x.Value is { IsChat: true, Token: not null })
                // What an app of Slack hears it tells to one of its connections.
                .GroupBy(x => x.Value.AppToken ?? x.Value.Token)
        )
        {
            if (bot.Count() > 1)
                yield return new(
                    $"{Section}: {string.Join(" and ", bot.Select(x => x.Key).Order())} have the same "
                        + $"{(bot.First().Value.AppToken is null ? "Token" : "AppToken")}. "
                        + "A bot tells what it hears once: make one for each."
                );
        }
    }

    /// <summary>The targets, each by one name however its settings are spelt: settings know no case.</summary>
    internal IReadOnlyList<(string Name, NotificationTarget Target)> Targets() =>
        [.. this.Select(x => (x.Key.ToLowerInvariant(), x.Value))];

    [GeneratedRegex(@"\A[A-Za-z0-9_-]{1,64}\z")]
    private static partial Regex Name();
}

/// <summary>Where notifications go, and which.</summary>
public sealed partial class NotificationTarget
{
    static readonly string[] UrgentByDefault = ["question.asked", "turn.parked", "budget.reached", "breaker.opened"];

    static readonly NotificationKind[] Chats =
    [
        NotificationKind.Telegram,
        NotificationKind.Slack,
        NotificationKind.Discord,
    ];

    static readonly TimeSpan MaxDigest = TimeSpan.FromDays(1);
    static readonly TimeSpan MaxTimeout = TimeSpan.FromMinutes(1);

    /// <summary>
    /// How: <c>Webhook</c>, <c>Ntfy</c>, <c>Email</c>, <c>Command</c>, <c>Telegram</c>, <c>Slack</c> or <c>Discord</c>.
    /// </summary>
    public NotificationKind? Kind { get; init; }

    /// <summary>
    /// The facts it is told of, with <c>*</c> for anything: <c>question.*</c>. Default: all. <c>turn.completed</c>,
    /// <c>turn.parked</c>, <c>turn.failed</c> (also a turn that reached a limit, or was refused),
    /// <c>question.asked</c>, <c>question.answered</c>, <c>question.expired</c>, <c>budget.reached</c>,
    /// <c>session.fresh</c> (its memory is lost), <c>session.closed</c>, <c>breaker.opened</c>, <c>silence</c> (what a
    /// watch expected has not come), <c>wake.degraded</c> (what is sent to a target does not arrive).
    /// </summary>
    public IReadOnlyList<string>? Types { get; init; }

    /// <summary>The keys of the sessions it is told of, with <c>*</c> for anything. Default: all.</summary>
    public string? Session { get; init; }

    /// <summary>The profile of the sessions it is told of. Default: any.</summary>
    public string? Profile { get; init; }

    /// <summary>What else must hold, all of it, as for watches: <c>data.outcome != completed</c>.</summary>
    public IReadOnlyList<string>? Conditions { get; init; }

    /// <summary>
    /// How long facts are collected that go as one message. What is urgent ends it. Default: each goes by itself.
    /// </summary>
    public TimeSpan DigestWindow { get; init; }

    /// <summary>When only what is urgent is sent: <c>22:00-07:00</c>. The rest follows when they are over.</summary>
    public string? QuietHours { get; init; }

    /// <summary>Whose clock <see cref="QuietHours"/> mean: <c>Europe/Berlin</c>.</summary>
    public string TimeZone { get; init; } = "UTC";

    /// <summary>
    /// The facts that are urgent, with <c>*</c> for anything. Default: <c>question.asked</c>, <c>turn.parked</c>,
    /// <c>budget.reached</c>, <c>breaker.opened</c>.
    /// </summary>
    public IReadOnlyList<string>? Urgent { get; init; }

    /// <summary>How long an attempt may take.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Webhook: where to post. Ntfy: the server, such as <c>https://ntfy.sh</c>.</summary>
    public Uri? Url { get; init; }

    /// <summary>
    /// Webhook: the secrets that sign, each <c>whsec_</c> and 24 to 64 bytes in base64. A new one is added beside the
    /// old one, which goes when the receiver knows the new one.
    /// </summary>
    public IReadOnlyList<string>? Secrets { get; init; }

    /// <summary>Ntfy: the topic. Whoever knows it can read it on a server without access control.</summary>
    public string? Topic { get; init; }

    /// <summary>
    /// Ntfy: the access token, where the topic needs one. Telegram, Slack and Discord: the token of the bot.
    /// </summary>
    public string? Token { get; init; }

    /// <summary>Slack: the app-level token, with the scope <c>connections:write</c>.</summary>
    public string? AppToken { get; init; }

    /// <summary>
    /// Telegram: the id of the chat, which is negative for groups. Slack: the id of the channel.
    /// Discord: the id of the channel, in a server.
    /// </summary>
    public string? Chat { get; init; }

    /// <summary>
    /// Telegram, Slack and Discord: the ids of the people who may answer, write to sessions and give commands. Nobody
    /// else is heard. Default: nobody.
    /// </summary>
    public IReadOnlyList<string>? Users { get; init; }

    /// <summary>
    /// Telegram: a server of the Bot API of your own. Default: <c>https://api.telegram.org</c>. Slack: another server
    /// of its Web API. Default: <c>https://slack.com</c>.
    /// Discord: a server that is called in place of <c>https://discord.com</c>, and names the gateway.
    /// </summary>
    public Uri? BaseUrl { get; init; }

    /// <summary>Email: the SMTP server.</summary>
    public string? Host { get; init; }

    /// <summary>Email: its port.</summary>
    public int Port { get; init; } = 587;

    /// <summary>
    /// Email: <c>StartTls</c>, <c>Tls</c> (from the first byte, as at port 465) or <c>None</c>. There is no fallback.
    /// </summary>
    public SmtpSecurity Security { get; init; } = SmtpSecurity.StartTls;

    /// <summary>Email: the user to log in as. Default: no login.</summary>
    public string? User { get; init; }

    /// <summary>Email: the password of that user.</summary>
    public string? Password { get; init; }

    /// <summary>Email: the sender.</summary>
    public string? From { get; init; }

    /// <summary>Email: the recipients.</summary>
    public IReadOnlyList<string>? To { get; init; }

    /// <summary>
    /// Command: the program by its full path, and its arguments. It gets the message as JSON on its standard input, and
    /// of the environment only what finds programs, the home and the desktop. Exit code 0 means delivered.
    /// </summary>
    public IReadOnlyList<string>? Command { get; init; }

    /// <summary>What is wrong with it, in sentences.</summary>
    public IEnumerable<string> Problems()
    {
        if (Kind is null)
            return [$"Kind is not set. There are {string.Join(", ", Enum.GetNames<NotificationKind>())}."];

        return [.. FilterProblems(), .. ScheduleProblems(), .. KindProblems(), .. ForeignSettings()];
    }

    IEnumerable<string> FilterProblems()
    {
        foreach (var type in (Types ?? []).Concat(Urgent ?? []))
        {
            if (!NotificationFacts.Types.Any(x => Matches(type, x)))
                yield return $"'{type}' is no fact. There are {string.Join(", ", NotificationFacts.Types)}.";
        }

        foreach (var condition in Conditions ?? [])
        {
            if (EventCondition.Problem(condition) is { } problem)
                yield return $"Conditions: '{condition}' {problem}";
        }
    }

    IEnumerable<string> ScheduleProblems()
    {
        if (DigestWindow < TimeSpan.Zero || DigestWindow > MaxDigest)
            yield return "DigestWindow must be at most a day, and not negative.";
        if (Timeout < TimeSpan.FromSeconds(1) || Timeout > MaxTimeout)
            yield return "Timeout must be between a second and a minute.";
        if (QuietHours is not null && Notifier.QuietHours.Parse(QuietHours) is null)
            yield return $"QuietHours: '{QuietHours}' is no span such as 22:00-07:00.";
        if (!TimeZoneInfo.TryFindSystemTimeZoneById(TimeZone, out _))
            yield return $"TimeZone: this machine knows none called {TimeZone}.";
    }

    IEnumerable<string> KindProblems()
    {
        switch (Kind)
        {
            case NotificationKind.Webhook:
                if (UrlProblem("https://example.com/wake") is { } webhook)
                    yield return webhook;
                if (Secrets is null or [])
                    yield return "Secrets needs at least one, made with: echo \"whsec_$(openssl rand -base64 32)\"";
                else if (Secrets.Any(x => WebhookSender.ParseSecret(x) is null))
                    yield return "Secrets: each is whsec_ and 24 to 64 bytes in base64, made with: "
                        + "echo \"whsec_$(openssl rand -base64 32)\"";
                break;

            case NotificationKind.Ntfy:
                if (UrlProblem("https://ntfy.sh") is { } publisher)
                    yield return publisher;
                if (Topic is null || !TopicName().IsMatch(Topic))
                    yield return "Topic is needed: up to 64 letters, digits, _ and -.";
                break;

            case NotificationKind.Email:
                if (string.IsNullOrWhiteSpace(Host))
                    yield return "Host is needed: the SMTP server.";
                if (Port is < 1 or > 65535)
                    yield return "Port must be between 1 and 65535.";
                if (!IsAddress(From))
                    yield return "From must be an address, such as wake@example.com.";
                if (To is null or [] || To.Any(x => !IsAddress(x)))
                    yield return "To needs at least one address, such as me@example.com.";
                if (User is null != Password is null)
                    yield return "User and Password go together.";
                if (Security is SmtpSecurity.None && User is not null && !IsLoopback(Host))
                    yield return "Security None would send the password in clear. Set StartTls or Tls.";
                break;

            case NotificationKind.Telegram:
                if (Token is null || !BotToken().IsMatch(Token))
                    yield return "Token is needed, as @BotFather gives it: 123456789:AAH….";
                if (!long.TryParse(Chat, CultureInfo.InvariantCulture, out var chat) || chat == 0)
                    yield return "Chat is needed: the id of the chat, such as -1001234567890.";
                if (Users?.Any(x => !long.TryParse(x, NumberStyles.None, CultureInfo.InvariantCulture, out _)) is true)
                    yield return "Users: each is the id of a person, such as 123456789. Names can change hands.";
                if (ServerProblem("https://api.telegram.org") is { } bots)
                    yield return bots;
                break;

            case NotificationKind.Slack:
                if (Token is null || !SlackBotToken().IsMatch(Token))
                    yield return "Token is needed, that of the bot: xoxb-….";
                if (AppToken is null || !SlackAppToken().IsMatch(AppToken))
                    yield return "AppToken is needed, the app-level token with the scope connections:write: xapp-….";
                if (Chat is null || !SlackChannel().IsMatch(Chat))
                    yield return "Chat is needed: the id of the channel, such as C0123456789. Names can change.";
                if (Users?.Any(x => !SlackUser().IsMatch(x)) is true)
                    yield return "Users: each is the id of a member, such as U0123456789. Names can change hands.";
                if (ServerProblem("https://slack.com") is { } slack)
                    yield return slack;
                break;

            case NotificationKind.Discord:
                if (Token is null || !DiscordToken().IsMatch(Token))
                    yield return "Token is needed, as the Developer Portal shows it under Bot: three parts with dots.";
                if (!IsDiscordId(Chat))
                    yield return "Chat is needed: the id of the channel, such as 1234567890123456789.";
                if (Users?.All(IsDiscordId) is false)
                    yield return "Users: each is the id of a person, such as 1234567890123456789. Names can change.";
                if (ServerProblem("https://discord.com") is { } discord)
                    yield return discord;
                break;

            default:
                if (Command is not [var program, ..] || !Path.IsPathFullyQualified(program))
                    yield return "Command needs the full path of a program: /usr/bin/notify-send.";
                break;
        }
    }

    // What has no effect may be a mistake about the kind.
    IEnumerable<string> ForeignSettings() =>
        from setting in ((string Name, bool IsSet, NotificationKind[] Kinds)[])
            [
                ("Url", Url is not null, [NotificationKind.Webhook, NotificationKind.Ntfy]),
                ("Secrets", Secrets is not null, [NotificationKind.Webhook]),
                ("Topic", Topic is not null, [NotificationKind.Ntfy]),
                ("Token", Token is not null, [NotificationKind.Ntfy, .. Chats]),
                ("AppToken", AppToken is not null, [NotificationKind.Slack]),
                ("Chat", Chat is not null, Chats),
                ("Users", Users is not null, Chats),
                ("BaseUrl", BaseUrl is not null, Chats),
                ("Host", Host is not null, [NotificationKind.Email]),
                ("User", User is not null, [NotificationKind.Email]),
                ("Password", Password is not null, [NotificationKind.Email]),
                ("From", From is not null, [NotificationKind.Email]),
                ("To", To is not null, [NotificationKind.Email]),
                ("Command", Command is not null, [NotificationKind.Command]),
            ]
        where setting.IsSet && !setting.Kinds.Contains(Kind!.Value)
        select $"{setting.Name} is for {string.Join(" and ", setting.Kinds)}, and Kind is {Kind}.";

    string? UrlProblem(string example) =>
        Url is null ? $"Url is needed, such as {example}." : HttpProblem("Url", Url, example);

    string? ServerProblem(string usual) =>
        BaseUrl is null ? null
        : HttpProblem("BaseUrl", BaseUrl, usual) is { } problem ? problem
        : BaseUrl.PathAndQuery != "/" ? $"BaseUrl must have no path: {Kind} is asked at the root of its server."
        : null;

    static string? HttpProblem(string name, Uri url, string example) =>
        !url.IsAbsoluteUri || url.Scheme is not ("http" or "https") ? $"{name} must be an address such as {example}."
        : url.UserInfo.Length > 0 ? $"{name} must have no user and no password in it."
        : null;

    static bool IsDiscordId(string? text) =>
        ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id) && id > 0;

    static bool IsAddress(string? text) => MailboxAddress.TryParse(text, out var address) && address.Domain.Length > 0;

    static bool IsLoopback(string? host) =>
        host == "localhost" || (System.Net.IPAddress.TryParse(host, out var ip) && System.Net.IPAddress.IsLoopback(ip));

    /// <summary>Whether people answer there.</summary>
    internal bool IsChat => Kind is { } kind && Chats.Contains(kind);

    /// <summary>Which facts it is told of.</summary>
    internal NotificationRule ToRule(string name) =>
        new(name, Kind!.Value.ToCamelCase(), Types, Session, Profile, Conditions, DigestWindow > TimeSpan.Zero);

    /// <summary>When a fact may be sent to it, and whether it is urgent.</summary>
    internal (DateTimeOffset Due, bool Urgent) Plan(string type, DateTimeOffset at)
    {
        if ((Urgent ?? UrgentByDefault).Any(x => Matches(x, type)))
            return (at, true);

        var due = at + DigestWindow;
        var quiet = QuietHours is null ? null : Notifier.QuietHours.Parse(QuietHours);
        return (quiet?.EndAt(due, TimeZoneInfo.FindSystemTimeZoneById(TimeZone)) ?? due, false);
    }

    static bool Matches(string glob, string type) =>
        FileSystemName.MatchesSimpleExpression(glob, type, ignoreCase: false);

    [GeneratedRegex(@"\A[A-Za-z0-9_-]{1,64}\z")]
    private static partial Regex TopicName();

    [GeneratedRegex(@"\A[0-9]{1,16}:[A-Za-z0-9_-]{1,200}\z")]
    private static partial Regex BotToken();

    [GeneratedRegex(@"\Axoxb-[A-Za-z0-9-]{1,200}\z")]
    private static partial Regex SlackBotToken();

    [GeneratedRegex(@"\Axapp-[A-Za-z0-9-]{1,200}\z")]
    private static partial Regex SlackAppToken();

    [GeneratedRegex(@"\A[CGD][A-Z0-9]{2,20}\z")]
    private static partial Regex SlackChannel();

    [GeneratedRegex(@"\A[UW][A-Z0-9]{2,20}\z")]
    private static partial Regex SlackUser();

    [GeneratedRegex(@"\A(?=.{1,200}\z)[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\z")]
    private static partial Regex DiscordToken();
}

/// <summary>How a target is told.</summary>
public enum NotificationKind
{
    /// <summary>An HTTP POST that is signed as Standard Webhooks have it.</summary>
    Webhook,

    /// <summary>A topic of ntfy.</summary>
    Ntfy,

    /// <summary>E-mail over SMTP.</summary>
    Email,

    /// <summary>A program of the machine that the notifier runs on.</summary>
    Command,

    /// <summary>A chat of Telegram, where people answer as well.</summary>
    Telegram,

    /// <summary>A channel of Slack, where people answer as well.</summary>
    Slack,

    /// <summary>A channel of Discord, where people answer as well.</summary>
    Discord,
}

/// <summary>How the connection to an SMTP server is kept from others.</summary>
public enum SmtpSecurity
{
    /// <summary>It begins in clear and goes on in TLS, or not at all.</summary>
    StartTls,

    /// <summary>TLS from the first byte.</summary>
    Tls,

    /// <summary>Not at all.</summary>
    None,
}
