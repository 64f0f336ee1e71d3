using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Wake.Store;

namespace Wake.Notifier;

/// <summary>A webhook that is signed as Standard Webhooks have it: https://www.standardwebhooks.com</summary>
sealed class WebhookSender(NotificationTarget target) : HttpSender
{
    readonly byte[][] keys = [.. target.Secrets!.Select(x => ParseSecret(x)!)];

    internal override async Task<SendResult> Send(ClaimedNotification message, CancellationToken cancel)
    {
        var (id, body) = ($"{message.Id}", NotificationJson.Write(message));
        var timestamp = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        using var request = new HttpRequestMessage(HttpMethod.Post, target.Url)
        {
            Headers =
            {
                { "webhook-id", id },
                { "webhook-timestamp", timestamp.ToString(CultureInfo.InvariantCulture) },
                { "webhook-signature", Sign(keys, id, timestamp, body) },
            },
            Content = new ByteArrayContent(body) { Headers = { ContentType = new("application/json") } },
        };
        return await Post(request, cancel);
    }

    public override Task<string?> FindProblem(CancellationToken cancel) => FindProblem(target.Url!, cancel);

    /// <summary>A signature by each key: the receiver may know the old one or the new one.</summary>
    public static string Sign(IEnumerable<byte[]> keys, string id, long timestamp, byte[] body)
    {
        byte[] signed =
        [
            .. Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{id}.{timestamp}.")),
            .. body,
        ];
        return string.Join(' ', keys.Select(x => $"v1,{Convert.ToBase64String(HMACSHA256.HashData(x, signed))}"));
    }

    /// <summary>The key that a secret stands for; null when it is none: <c>whsec_</c> and 24 to 64 bytes in
    /// base64.</summary>
    public static byte[]? ParseSecret(string secret)
    {
        const string Prefix = "whsec_";
        var key = new byte[secret.Length];
        return
            secret.StartsWith(Prefix, StringComparison.Ordinal)
            && Convert.TryFromBase64String(secret[Prefix.Length..], key, out var length)
            && length is >= 24 and <= 64
            ? key[..length]
            : null;
    }
}
