using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Wake.Store;

/// <summary>Random secrets, of which only the hash is kept.</summary>
public static class SecretTokens
{
    /// <summary>One that nobody guesses: 256 random bits, after a prefix by which whoever looks for leaked secrets
    /// finds it.</summary>
    public static string Generate(string prefix = "") =>
        prefix + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));

    /// <summary>What is kept of one.</summary>
    public static byte[] Hash(string secret) => SHA256.HashData(Encoding.UTF8.GetBytes(secret));
}
