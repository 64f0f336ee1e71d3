using System.ComponentModel.DataAnnotations;
using Wake.Contracts;
using Wake.Producing;

namespace Wake.Producers.Webhooks;

/// <summary>Who may send webhooks: by name, which is the last part of the address <c>/hooks/NAME</c>.</summary>
public sealed class WebhooksOptions : IValidatableObject
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Webhooks";

    /// <summary>Senders by the name of their hook. Environment: <c>Webhooks__Hooks__codeberg__Sender</c>.</summary>
    public Dictionary<string, HookOptions> Hooks { get; init; } = new(StringComparer.OrdinalIgnoreCase);

    /// <inheritdoc />
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        foreach (var (name, hook) in Hooks)
        {
            if (hook.Problem() is { } problem)
                yield return new($"Webhooks:Hooks:{name}: {problem}", [nameof(Hooks)]);
        }
    }
}

/// <summary>One hook: who sends, and what proves it.</summary>
public sealed class HookOptions
{
    /// <summary>Who sends.</summary>
    public WebhookProviderKind? Sender { get; init; }

    /// <summary>What deliveries prove themselves with: during a rotation the old and the new one.</summary>
    public IReadOnlyList<string> Secrets { get; init; } = [];

    /// <summary>The largest body, in bytes. Those of GitLab and Forgejo carry every commit of a push.</summary>
    public int MaxBody { get; init; } = 5 * 1024 * 1024;

    /// <summary>
    /// The logins that the sessions work as there. What they write themselves (comments, reviews) is handed over with
    /// the next turn and starts none; of senders that are described, and of CloudEvents, all that their <c>Actor</c>
    /// caused.
    /// </summary>
    public IReadOnlyList<string> OwnLogins { get; init; } = [];

    /// <summary>
    /// Of forges: which words of bots wake, by names of bots, as with <c>GitHub__Bots</c>. Those that Wake knows have
    /// the same logins everywhere, unless others are given here.
    /// </summary>
    public IReadOnlyDictionary<string, BotOptions> Bots { get; init; } = new Dictionary<string, BotOptions>();

    /// <summary>
    /// Who may send CloudEvents here by their handshake against abuse (an <c>OPTIONS</c> with
    /// <c>WebHook-Request-Origin</c>): <c>eventgrid.azure.net</c>, or <c>*</c>. Empty: the handshake is not answered.
    /// It lets nobody in, since every delivery proves itself, and the address that a <c>WebHook-Request-Callback</c>
    /// names is never called.
    /// </summary>
    public IReadOnlyList<string> AllowedOrigins { get; init; } = [];

    /// <summary>How a generic sender signs.</summary>
    public SignatureScheme Scheme { get; init; } = SignatureScheme.HmacSha256;

    /// <summary>The header with the signature or token of a generic sender; null for the usual one of its
    /// scheme.</summary>
    public string? Header { get; init; }

    /// <summary>What stands before the signature in that header: <c>sha256=</c>.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>How the signature is written.</summary>
    public SignatureEncoding Encoding { get; init; } = SignatureEncoding.Hex;

    /// <summary>
    /// The header with the delivery's id; null when the payload has it. Where only the body is signed it names a
    /// delivery and tells no facts apart: the same body is the same fact, unless <see cref="TrustHeaders"/> is set.
    /// </summary>
    public string? IdHeader { get; init; }

    /// <summary>
    /// Whether headers may say what a delivery means though its signature does not cover them. Who has seen one
    /// delivery can then send it again as another; some senders name the kind of an event nowhere else.
    /// </summary>
    public bool TrustHeaders { get; init; }

    /// <summary>
    /// How old, or young, a delivery of a generic sender may be, by its <see cref="PayloadPaths.Time"/>:
    /// <c>00:05:00</c>. One that says no time is refused. Null: the same delivery may come again whenever somebody
    /// sends it, and is a duplicate for as long as events are kept.
    /// </summary>
    public TimeSpan? MaxAge { get; init; }

    /// <summary>
    /// What the types of its events may begin with: <c>deploy</c>, <c>build.*</c>. Empty: anything. What is of another
    /// type is refused.
    /// </summary>
    public IReadOnlyList<string> Types { get; init; } = [];

    /// <summary>
    /// What the subjects of its events may begin with: <c>forgejo@codeberg.org:team/app</c>, with all that is in it.
    /// Empty: anything. What is about another subject is refused.
    /// </summary>
    public IReadOnlyList<string> Subjects { get; init; } = [];

    /// <summary>What the sources of its events may begin with, where the sender names them, as CloudEvents do. Empty:
    /// anything.</summary>
    public IReadOnlyList<string> Sources { get; init; } = [];

    /// <summary>Where generic and Standard Webhooks deliveries have what.</summary>
    public PayloadPaths Paths { get; init; } = new();

    /// <summary>
    /// The name under which the dedup keys of described senders and of CloudEvents count: hooks of one name tell the
    /// same facts, and nobody else hides them. Null: the hook's own. What a forge's hook tells is one fact whichever
    /// hook tells it.
    /// </summary>
    public string? Namespace { get; init; }

    /// <summary>The bots, as they are known and described.</summary>
    internal ReviewBots ReviewBots => field ??= new(Bots);

    /// <summary>What its events may say.</summary>
    internal PublishPermissions Rights =>
        new()
        {
            Sources = Sources,
            Types = Types,
            Subjects = Subjects,
        };

    /// <summary>Whether deliveries are signed, rather than sent with the secret: then only what is signed is
    /// genuine.</summary>
    internal bool SignsBody =>
        Sender is WebhookProviderKind.Standard or WebhookProviderKind.Forgejo or WebhookProviderKind.Gitea
        || (Sender is WebhookProviderKind.Generic && Scheme is not (SignatureScheme.Bearer or SignatureScheme.Token));

    /// <summary>What is wrong with it, in a sentence; null when nothing is.</summary>
    internal string? Problem() =>
        Sender is null
            ? "Sender is not set; known are "
                + $"{string.Join(", ", Enum.GetNames<WebhookProviderKind>()).ToLowerInvariant()}."
        : Secrets is [] || Secrets.Any(string.IsNullOrWhiteSpace)
            ? "Secrets needs at least one, and none that is empty: anybody could send."
        : MaxBody is < 1024 or > 100 * 1024 * 1024 ? "MaxBody must be between 1 KB and 100 MB."
        : Sender is WebhookProviderKind.Standard && Secrets.Any(x => StandardWebhooksProvider.ParseKey(x) is null)
            ? "Secrets of Standard Webhooks are base64, usually after whsec_."
        : !Enum.IsDefined(Scheme) || !Enum.IsDefined(Encoding) || !Enum.IsDefined(Sender.Value)
            ? "Sender, Scheme and Encoding are words, not numbers."
        : Header is not null && string.IsNullOrWhiteSpace(Header)
        || IdHeader is not null && string.IsNullOrWhiteSpace(IdHeader)
            ? "Header and IdHeader are names of headers, or left out."
        : Bots.Select(x => (x.Key, Wrong: x.Value.Problem(x.Key))).FirstOrDefault(x => x.Wrong is not null)
            is { Wrong: not null } bot
            ? $"Bots:{bot.Key} {bot.Wrong}"
        : OwnLogins.Any(string.IsNullOrWhiteSpace) ? "OwnLogins must not hold an empty one."
        : AllowedOrigins.Count > 0 && Sender is not WebhookProviderKind.CloudEvents
            ? "AllowedOrigins belongs to hooks of the sender CloudEvents."
        : AllowedOrigins.FirstOrDefault(x => x is not "*" && Uri.CheckHostName(x) is UriHostNameType.Unknown)
            is { } origin
            ? $"AllowedOrigins are names of hosts or *, not '{origin}'."
        : Namespace is not null && string.IsNullOrWhiteSpace(Namespace) ? "Namespace is a name, or left out."
        : MaxAge is not null && Sender is not WebhookProviderKind.Generic
            ? "MaxAge belongs to hooks of the sender Generic."
        : MaxAge <= TimeSpan.Zero ? "MaxAge must be positive."
        : Rights.Problem() is { } wrong ? $"Sources, Types, Subjects: {wrong}"
        : Paths.Problem()
            ?? (
                SignsBody
                && !TrustHeaders
                && Paths.ReadsHeader(
                    Sender is WebhookProviderKind.Standard ? [.. StandardWebhooksProvider.SignedHeaders] : []
                )
                    is { } place
                    ? $"{place} reads a header, which the signature does not cover. Take it from the payload, or "
                        + "set TrustHeaders to true."
                    : null
            );
}

/// <summary>Whose deliveries come in by a hook.</summary>
public enum WebhookProviderKind
{
    /// <summary>Anybody who signs by the Standard Webhooks specification.</summary>
    Standard,

    GitLab,

    Forgejo,

    Gitea,

    /// <summary>Anybody who sends CloudEvents with a bearer token.</summary>
    CloudEvents,

    /// <summary>Anybody else, by configuration.</summary>
    Generic,
}

/// <summary>How a generic sender proves itself.</summary>
public enum SignatureScheme
{
    /// <summary>HMAC-SHA256 of the body.</summary>
    HmacSha256,

    /// <summary>HMAC-SHA1 of the body.</summary>
    HmacSha1,

    /// <summary>HMAC-SHA512 of the body.</summary>
    HmacSha512,

    /// <summary><c>Authorization: Bearer</c> and the secret.</summary>
    Bearer,

    /// <summary>The secret itself in a header.</summary>
    Token,

    /// <summary>Slack's: HMAC-SHA256 of version, timestamp and body, refused when it is older than five
    /// minutes.</summary>
    Slack,
}

/// <summary>How a signature is written.</summary>
public enum SignatureEncoding
{
    /// <summary>Hexadecimal digits.</summary>
    Hex,

    Base64,
}
