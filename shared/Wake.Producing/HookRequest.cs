using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Wake.Producing;

/// <summary>A delivery as it came: headers and the very bytes of the body, which is what signatures cover.</summary>
/// <param name="hook">The name of the hook it came in by.</param>
/// <param name="headers">The headers; the first value where one came twice.</param>
/// <param name="body">The body.</param>
public sealed class HookRequest(string hook, IEnumerable<KeyValuePair<string, string>> headers, ReadOnlyMemory<byte> body)
{
    readonly Dictionary<string, string> headers = Unrepeated(headers);

    /// <summary>The name of the hook it came in by.</summary>
    public string Hook => hook;

    /// <summary>The body.</summary>
    public ReadOnlyMemory<byte> Body => body;

    /// <summary>The JSON the body holds, whether by itself or as the field <c>payload</c> of a form.</summary>
    public ReadOnlyMemory<byte> Json => IsForm ? FormPayload() : Body;

    /// <summary>All headers.</summary>
    public IReadOnlyDictionary<string, string> Headers => headers;

    bool IsForm => Header("Content-Type")?.StartsWith("application/x-www-form-urlencoded", StringComparison.OrdinalIgnoreCase) ?? false;

    /// <summary>A header's value; null when it is missing or empty, which for a signature is the same.</summary>
    public string? Header(string name) => headers.TryGetValue(name, out var value) && !string.IsNullOrWhiteSpace(value) ? value.Trim() : null;

    /// <summary>The id a header gives, else one that the same body always has.</summary>
    public string Id(string header) => Header(header) is { Length: <= 200 } id ? id
        : $"sha256:{Convert.ToHexStringLower(SHA256.HashData(Body.Span))[..32]}";

    /// <summary>The payload, parsed.</summary>
    /// <exception cref="JsonException">It is not JSON, or nested deeper than any forge does.</exception>
    public JsonElement Payload() => JsonElement.Parse(Json.Span, new() { MaxDepth = 64 });

    static Dictionary<string, string> Unrepeated(IEnumerable<KeyValuePair<string, string>> headers)
    {
        var all = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (name, value) in headers)
            all.TryAdd(name, value);
        return all;
    }

    ReadOnlyMemory<byte> FormPayload()
    {
        foreach (var field in body.Span.Split((byte)'&'))
        {
            if (body.Span[field] is var text && text.StartsWith("payload="u8))
                return Decoded(text["payload="u8.Length..]);
        }

        return default;
    }

    // By hand, because what is built in makes text of it first, which would mend invalid UTF-8 on the way.
    static byte[] Decoded(ReadOnlySpan<byte> text)
    {
        var (decoded, length) = (new byte[text.Length], 0);
        for (var i = 0; i < text.Length; i++)
        {
            decoded[length++] = text[i] switch
            {
                (byte)'+' => (byte)' ',
                (byte)'%' when i + 2 < text.Length && Hex(text[i + 1]) is { } high && Hex(text[i + 2]) is { } low => Skip(high * 16 + low, ref i),
                var plain => plain,
            };
        }

        return decoded[..length];

        static byte Skip(int value, ref int at)
        {
            at += 2;
            return (byte)value;
        }

        static int? Hex(byte digit) => char.IsAsciiHexDigit((char)digit) ? Convert.ToInt32(Encoding.ASCII.GetString([digit]), 16) : null;
    }
}
