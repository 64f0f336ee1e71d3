using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Wake.Contracts;

namespace Wake.Producing;

/// <summary>A delivery as it came: headers and the very bytes of the body, which is what signatures cover.</summary>
/// <param name="hook">The name of the hook it came in by.</param>
/// <param name="headers">The headers; the first value where one came twice.</param>
/// <param name="body">The body.</param>
public sealed class WebhookRequest(
    string hook,
    IEnumerable<KeyValuePair<string, string>> headers,
    ReadOnlyMemory<byte> body
)
{
    readonly Dictionary<string, string> headers = Unrepeated(headers);

    // Whoever proves, limits and reads a delivery looks into it, and it may have 25 MB.
    ReadOnlyMemory<byte>? json;
    JsonElement? payload;

    /// <summary>The name of the hook it came in by.</summary>
    public string HookName => hook;

    public ReadOnlyMemory<byte> Body => body;

    /// <summary>
    /// The JSON the body holds, by itself or as the field <c>payload</c> of a form; empty where a form is not exactly
    /// that. The body says which of the two it is: a signature covers it, and not the header Content-Type.
    /// </summary>
    public ReadOnlyMemory<byte> Json => json ??= !IsForm ? Body : Decoded(Body.Span["payload="u8.Length..]) ?? default;

    /// <summary>All headers.</summary>
    public IReadOnlyDictionary<string, string> Headers => headers;

    // No JSON begins like this.
    bool IsForm => Body.Span.StartsWith("payload="u8);

    /// <summary>A header's value; null when it is missing or empty, which for a signature is the same.</summary>
    public string? Header(string name) =>
        headers.TryGetValue(name, out var value) && !string.IsNullOrWhiteSpace(value) ? value.Trim() : null;

    /// <summary>The id a header gives, else one that the same body always has.</summary>
    public string DeliveryId(string header) => Header(header) is { Length: <= 200 } id ? id : Fingerprint;

    /// <summary>A hash of the payload: the same for whatever says the same, which nobody can change without the
    /// secret.</summary>
    public string Fingerprint => $"sha256:{Convert.ToHexStringLower(SHA256.HashData(Json.Span))[..32]}";

    /// <summary>The payload, parsed.</summary>
    /// <exception cref="JsonException">It is not JSON, or nested deeper than any forge does.</exception>
    public JsonElement Payload() =>
        payload ??= !Json.IsEmpty
            ? JsonElement.Parse(ByteOrderMark.Skip(Json.Span), new() { MaxDepth = 64 })
            : throw new JsonException(
                IsForm ? "a form must be the field payload alone, encoded throughout." : "it is empty."
            );

    static Dictionary<string, string> Unrepeated(IEnumerable<KeyValuePair<string, string>> headers)
    {
        var all = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (name, value) in headers)
            all.TryAdd(name, value);
        return all;
    }

    // By hand, because what is built in makes text of it first, which would mend invalid UTF-8 on the way. Null where a
    // byte is not encoded that must be: then the body is something else, or has more fields than one.
    static ReadOnlyMemory<byte>? Decoded(ReadOnlySpan<byte> text)
    {
        var (decoded, length) = (new byte[text.Length], 0);
        for (var i = 0; i < text.Length; i++)
        {
            switch (text[i])
            {
                case (byte)'+':
                    decoded[length++] = (byte)' ';
                    break;
                case (byte)'%' when i + 2 < text.Length && Hex(text[i + 1]) is { } high && Hex(text[i + 2]) is { } low:
                    decoded[length++] = (byte)(high * 16 + low);
                    i += 2;
                    break;
                case var plain when char.IsAsciiLetterOrDigit((char)plain) || "-_.~*!'()"u8.Contains(plain):
                    decoded[length++] = plain;
                    break;
                default:
                    return null;
            }
        }

        return decoded.AsMemory(0, length);

        static int? Hex(byte digit) =>
            char.IsAsciiHexDigit((char)digit) ? Convert.ToInt32(Encoding.ASCII.GetString([digit]), 16) : null;
    }
}
