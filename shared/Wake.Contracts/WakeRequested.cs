using System.Security.Cryptography;
using System.Text;

namespace Wake.Contracts;

/// <summary>The event by which a person wakes a session: at once, also from a park, whatever it watches.</summary>
public static class WakeRequested
{
    /// <summary>
    /// Stands behind what Wake says itself because a person or a session has asked for it: in
    /// <see cref="ExternalEventObserved.VerifiedBy"/>, which no event can set.
    /// </summary>
    public const string VerifiedByWake = "wake";

    /// <summary>One such event.</summary>
    /// <param name="session">The session's key.</param>
    /// <param name="reason">What it is told.</param>
    /// <param name="dedupKey">
    /// Idempotency key of the request: a repeat with the same key does not wake the session again while events are
    /// kept. Null: every call is a new request.
    /// </param>
    public static ExternalEventObserved Create(string session, string reason, string? dedupKey = null) =>
        new()
        {
            Id = Guid.CreateVersion7().ToString(),
            Source = "wake:request",
            Type = "wake.requested",
            VerifiedBy = VerifiedByWake,
            Subject = $"session:{session}"[..Math.Min(EventLimits.MaxKeyLength, session.Length + 8)],
            DedupKey = dedupKey is null ? null : Key(session, dedupKey),
            Reason = reason,
            Urgent = true,
            Sessions = [session],
        };

    // Of two texts that may both be as long as a key. The length keeps apart what only together reads the same.
    static string Key(string session, string dedupKey)
    {
        var key = $"wake.requested|session:{session}|{dedupKey.Length}:{dedupKey}";
        return key.Length <= EventLimits.MaxKeyLength
            ? key
            : $"wake.requested|{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)))}";
    }
}
