using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Gateway;

/// <summary>
/// Lets the programs of one user in, since TCP on loopback says nothing of who calls: a random token in a file that
/// nobody else can read. Every start has another, so that whoever came by one, for instance by listening on the port of
/// a Wake that was killed, has nothing.
/// </summary>
public static class OwnerToken
{
    /// <summary>What every one begins with, so that one that leaks is found by whoever looks for secrets.</summary>
    public const string Prefix = "wake_owner_";

    /// <summary>Makes one and puts it into the file, whatever is there.</summary>
    public static string Issue(string file)
    {
        var token = SecretTokens.Generate(Prefix);
        PrivateFile.WriteAtomically(file, token);
        return token;
    }

    /// <summary>The one in a file; null when there is none, or it is not this user's to read.</summary>
    public static string? Read(string file)
    {
        try
        {
            return File.ReadAllText(file).Trim() is { Length: > 0 } token ? token : null;
        }
        catch (Exception missing) when (missing is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
