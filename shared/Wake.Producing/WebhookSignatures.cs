using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Wake.Producing;

/// <summary>The hash a signature is made with.</summary>
public enum SignatureHash
{
    /// <summary>HMAC-SHA256, which nearly everybody uses.</summary>
    Sha256,

    /// <summary>HMAC-SHA1, which a few have kept.</summary>
    Sha1,

    /// <summary>HMAC-SHA512.</summary>
    Sha512,
}

/// <summary>Checks of signatures and tokens, in a time that does not tell how much of one was right.</summary>
public static class WebhookSignatures
{
    /// <summary>Standard Webhooks and Slack refuse what is older, or younger, than this.</summary>
    public static readonly TimeSpan Tolerance = TimeSpan.FromMinutes(5);

    /// <summary>The code of a message in parts, without joining a body of many MB to a prefix of a few bytes.</summary>
    public static byte[] ComputeHmac(
        SignatureHash hash,
        ReadOnlySpan<byte> key,
        params ReadOnlySpan<ReadOnlyMemory<byte>> parts
    )
    {
        using var hmac = IncrementalHash.CreateHMAC(
            hash switch
            {
                SignatureHash.Sha1 => HashAlgorithmName.SHA1,
                SignatureHash.Sha512 => HashAlgorithmName.SHA512,
                _ => HashAlgorithmName.SHA256,
            },
            key
        );
        foreach (var part in parts)
            hmac.AppendData(part.Span);
        return hmac.GetHashAndReset();
    }

    /// <summary>Whether a text of lower-case hexadecimal digits is this code.</summary>
    public static bool MatchesHex(string? given, byte[] code) => FixedTimeEquals(given, Convert.ToHexStringLower(code));

    /// <summary>Whether a text in base64 is this code.</summary>
    public static bool MatchesBase64(string? given, byte[] code) =>
        FixedTimeEquals(given, Convert.ToBase64String(code));

    /// <summary>Whether the HMAC-SHA256 of a message under one of several secrets is this, in hexadecimal
    /// digits.</summary>
    public static bool AnyMatchesHex(
        string? given,
        IReadOnlyList<string> secrets,
        params ReadOnlySpan<ReadOnlyMemory<byte>> parts
    )
    {
        foreach (var secret in secrets)
        {
            if (MatchesHex(given, ComputeHmac(SignatureHash.Sha256, Encoding.UTF8.GetBytes(secret), parts)))
                return true;
        }

        return false;
    }

    /// <summary>Whether two texts are the same. Both are hashed first, so that not even their lengths are
    /// compared.</summary>
    public static bool FixedTimeEquals(string? given, string expected) =>
        given is not null
        && CryptographicOperations.FixedTimeEquals(
            SHA256.HashData(Encoding.UTF8.GetBytes(given)),
            SHA256.HashData(Encoding.UTF8.GetBytes(expected))
        );

    /// <summary>Whether Unix seconds in a header are near enough to now, in both directions.</summary>
    public static bool IsWithinTolerance(string? seconds, DateTimeOffset now) =>
        seconds is { Length: <= 15 }
        && Utf8Parser.TryParse(Encoding.ASCII.GetBytes(seconds), out long at, out var read)
        && read == seconds.Length
        && Math.Abs(now.ToUnixTimeSeconds() - at) <= Tolerance.TotalSeconds;
}
