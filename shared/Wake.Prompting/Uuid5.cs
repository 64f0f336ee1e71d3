using System.Security.Cryptography;
using System.Text;

namespace Wake.Prompting;

/// <summary>Name-based UUIDs, RFC 9562 section 5.5.</summary>
public static class Uuid5
{
    public static Guid Create(Guid space, string name)
    {
        Span<byte> hash = stackalloc byte[SHA1.HashSizeInBytes];
#pragma warning disable CA5350 // The RFC prescribes SHA-1; nothing here relies on its strength.
        SHA1.HashData([.. space.ToByteArray(bigEndian: true), .. Encoding.UTF8.GetBytes(name)], hash);
#pragma warning restore CA5350

        hash[6] = (byte)(hash[6] & 0x0F | 0x50);
        hash[8] = (byte)(hash[8] & 0x3F | 0x80);
        return new(hash[..16], bigEndian: true);
    }
}
