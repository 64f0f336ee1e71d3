using System.Text.Json;
using Wake.Contracts;

namespace Wake.Gateway;

/// <summary>
/// A request to wake a session, spooled in the <see cref="SpoolFolder"/> while Wake does not run. It is no event: what
/// is dropped there as one never says what Wake itself says, however it is written.
/// </summary>
/// <param name="Session">The session's key.</param>
/// <param name="Reason">What it is told.</param>
/// <param name="DedupKey">Idempotency key of the request; null for none.</param>
public sealed record SpooledWake(string Session, string Reason, string? DedupKey)
{
    /// <summary>What is wrong with it, in a sentence; null when nothing is.</summary>
    public string? Problem =>
        RequestValidation.Collect(
            RequestValidation.RequiredText("session", Session, EventLimits.MaxKeyLength),
            RequestValidation.RequiredText("reason", Reason, EventLimits.MaxReasonLength),
            DedupKey is null ? null : RequestValidation.RequiredText("dedupKey", DedupKey, EventLimits.MaxKeyLength)
        )
            is [var (name, problem), ..]
            ? $"{name} {problem}"
            : null;

    /// <summary>It as a file.</summary>
    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, JsonSerializerOptions.Web);

    /// <summary>Reads it.</summary>
    /// <exception cref="JsonException">It is none.</exception>
    public static SpooledWake FromJson(ReadOnlySpan<byte> json) =>
        JsonSerializer.Deserialize<SpooledWake>(json, JsonSerializerOptions.Web)
            is { Session: not null, Reason: not null } wake
            ? wake
            : throw new JsonException("a session and a reason are needed.");
}
