using System.Text;
using System.Text.Json;
using Wake.Producing;

namespace Wake.Producers.Webhooks;

/// <summary>Any sender, as configured: how it signs, and where its payload has what.</summary>
sealed class GenericWebhookProvider(HookOptions options) : IWebhookProvider
{
    public string? VerificationFailure(WebhookRequest delivery, IReadOnlyList<string> secrets, DateTimeOffset now)
    {
        var header = options.Header ?? DefaultHeader(options.Scheme);
        if (delivery.Header(header) is not { } given)
            return $"{header} is missing.";

        var prefix = options.Scheme switch
        {
            SignatureScheme.Bearer => "Bearer ",
            SignatureScheme.Slack => "v0=",
            _ => options.Prefix,
        };
        if (
            !given.StartsWith(
                prefix,
                options.Scheme is SignatureScheme.Bearer ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal
            )
        )
            return $"{header} does not begin with {prefix.Trim()}.";

        var timestamp = delivery.Header("X-Slack-Request-Timestamp");
        if (options.Scheme is SignatureScheme.Slack && !WebhookSignatures.IsWithinTolerance(timestamp, now))
            return "The delivery is too old, or from the future.";

        given = given[prefix.Length..].Trim();
        return secrets.Any(secret => IsValidSignature(given, secret, timestamp, delivery))
            ? AgeProblem(delivery, now)
            : $"{header} is not right.";
    }

    public EventMapping Map(WebhookRequest delivery) =>
        options.Paths.Map(
            delivery.Payload(),
            delivery,
            options.IdHeader,
            isIdProven: options.TrustHeaders || !options.SignsBody
        );

    // Of what is genuine, what may have been kept back or sent again.
    string? AgeProblem(WebhookRequest delivery, DateTimeOffset now)
    {
        if (options.MaxAge is not { } age)
            return null;

        try
        {
            return options.Paths.CreatedAt(delivery.Payload(), delivery) is not { } made
                    ? $"The delivery does not say when it was made, at {options.Paths.Time}."
                : (now - made).Duration() > age ? "The delivery is too old, or from the future."
                : null;
        }
        catch (JsonException)
        {
            // Said where it is read.
            return null;
        }
    }

    bool IsValidSignature(string given, string secret, string? timestamp, WebhookRequest delivery)
    {
        var key = Encoding.UTF8.GetBytes(secret);
        return options.Scheme switch
        {
            SignatureScheme.Bearer or SignatureScheme.Token => WebhookSignatures.FixedTimeEquals(given, secret),
            SignatureScheme.Slack => WebhookSignatures.MatchesHex(
                given,
                WebhookSignatures.ComputeHmac(
                    SignatureHash.Sha256,
                    key,
                    Encoding.ASCII.GetBytes($"v0:{timestamp}:"),
                    delivery.Body
                )
            ),
            SignatureScheme.HmacSha1 => Matches(
                given,
                WebhookSignatures.ComputeHmac(SignatureHash.Sha1, key, delivery.Body)
            ),
            SignatureScheme.HmacSha512 => Matches(
                given,
                WebhookSignatures.ComputeHmac(SignatureHash.Sha512, key, delivery.Body)
            ),
            _ => Matches(given, WebhookSignatures.ComputeHmac(SignatureHash.Sha256, key, delivery.Body)),
        };
    }

    bool Matches(string given, byte[] code) =>
        options.Encoding is SignatureEncoding.Base64
            ? WebhookSignatures.MatchesBase64(given, code)
            : WebhookSignatures.MatchesHex(given, code);

    static string DefaultHeader(SignatureScheme scheme) =>
        scheme switch
        {
            SignatureScheme.Bearer => "Authorization",
            SignatureScheme.Token => "X-Token",
            SignatureScheme.Slack => "X-Slack-Signature",
            _ => "X-Signature",
        };
}
