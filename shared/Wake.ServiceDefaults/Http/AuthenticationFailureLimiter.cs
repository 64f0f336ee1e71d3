using System.Net;
using System.Net.Sockets;

namespace Wake.ServiceDefaults;

/// <summary>Rate-limits failed authentication per client address (IPv6: per /64).</summary>
public sealed class AuthenticationFailureLimiter(TimeProvider time)
{
    /// <summary>How often one address may fail within <see cref="Window"/>.</summary>
    public const int MaxFailures = 20;

    /// <summary>After this an address begins anew.</summary>
    public static readonly TimeSpan Window = TimeSpan.FromMinutes(1);

    // A few MB. Whoever has more addresses than this begins anew together with everybody else.
    const int MaxAddresses = 20_000;

    readonly Dictionary<IPAddress, (int Count, DateTimeOffset Since)> failures = [];
    readonly Lock mutex = new();

    /// <summary>How long the address must wait; null when it need not.</summary>
    public TimeSpan? RetryAfter(IPAddress? address)
    {
        lock (mutex)
        {
            return
                failures.TryGetValue(AddressKey(address), out var known)
                && known.Count > MaxFailures
                && known.Since + Window - time.GetUtcNow() is var left
                && left > TimeSpan.Zero
                ? left
                : null;
        }
    }

    /// <summary>Counts one more.</summary>
    public void RecordFailure(IPAddress? address)
    {
        var now = time.GetUtcNow();
        lock (mutex)
        {
            if (failures.Count >= MaxAddresses)
                failures.Clear();

            var known = failures.GetValueOrDefault(AddressKey(address));
            failures[AddressKey(address)] = known.Since + Window > now ? (known.Count + 1, known.Since) : (1, now);
        }
    }

    // Whoever has one address of IPv6 has the 64 bits below it as well.
    static IPAddress AddressKey(IPAddress? address)
    {
        if (address is null)
            return IPAddress.None;
        if (address.IsIPv4MappedToIPv6)
            return address.MapToIPv4();
        if (address.AddressFamily is not AddressFamily.InterNetworkV6)
            return address;

        var bytes = address.GetAddressBytes();
        bytes.AsSpan(8).Clear();
        return new(bytes);
    }
}
