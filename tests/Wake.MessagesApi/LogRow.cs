using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Wake.Offline;

/// <summary>A seen request as one line of the log.</summary>
sealed record LogRow(
    int N,
    double T,
    string Path,
    Guid? Session,
    long Size,
    string Model,
    bool Stream,
    int Nmsg,
    int Tools,
    int Attempt,
    int? Status,
    string? Ending,
    string UserId,
    IEnumerable<string> Tail,
    IReadOnlyDictionary<string, string> Hdr
)
{
    static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    public static LogRow For(SeenRequest x) =>
        new(
            x.Number,
            x.At.ToUnixTimeMilliseconds() / 1000.0,
            x.IsConversation ? x.Path : $"{x.Method} {x.Path}",
            x.SessionId,
            x.Bytes,
            x.Model,
            x.Streams,
            x.Messages.Count,
            x.Tools,
            x.Attempt,
            x.Status,
            x.Ending.IsCompleted ? x.Ending.Result.ToString() : null,
            x.UserId,
            x.Tail.Select(SeenRequest.Shortened),
            x.Headers.ToDictionary(y => y.Key, y => y.Key is "authorization" or "x-api-key" ? Masked(y.Value) : y.Value)
        );

    // The log is a file, and the key may turn out to be a real one.
    static string Masked(string credential) => credential.Length <= 4 ? "…" : $"…{credential[^4..]}";

    public string ToJson() => JsonSerializer.Serialize(this, Json);
}
