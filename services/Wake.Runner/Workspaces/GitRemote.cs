using System.Text.RegularExpressions;

namespace Wake.Runner;

/// <summary>The address of a profile's repository, and the credentials that its owner has written into it.</summary>
/// <param name="Address">Without them, as everybody may read it.</param>
/// <param name="Origin">The part of it that they are for: <c>https://host</c>. Null when there are none.</param>
/// <param name="Credentials">As a credential helper says them; null when there are none.</param>
sealed partial record GitRemote(string Address, string? Origin, string? Credentials)
{
    /// <summary>Whether it is a folder of this machine.</summary>
    public bool IsLocal =>
        Address.StartsWith("file://", StringComparison.OrdinalIgnoreCase)
        || Address.IndexOf(':') is var colon
            && (colon < 0 || Address.IndexOf('/') is >= 0 and var slash && slash < colon);

    /// <summary>Reads an address as <c>git clone</c> takes it.</summary>
    /// <exception cref="GitException">It would be an option, or names a program to run.</exception>
    public static GitRemote Parse(string repository)
    {
        if (repository.StartsWith('-') || repository.Any(char.IsControl) || Helper().IsMatch(repository))
            throw new GitException("the profile's Repository is no address of a repository", mayPass: false);

        if (WithPassword().Match(repository) is not { Success: true } found)
            return new(repository, null, null);

        var (scheme, user, password, rest) = (
            found.Groups[1].Value,
            Decoded(found.Groups[2]),
            Decoded(found.Groups[3]),
            found.Groups[4].Value
        );
        if ((user + password).Any(char.IsControl))
            throw new GitException(
                "the credentials in the profile's Repository have a control character in them",
                mayPass: false
            );

        // ssh takes no password from anybody but a person.
        if (!scheme.StartsWith("http", StringComparison.OrdinalIgnoreCase))
            return new($"{scheme}://{found.Groups[2].Value}@{rest}", null, null);

        return new(
            $"{scheme}://{rest}",
            $"{scheme}://{rest.Split('/', '?', '#')[0]}",
            $"username={user}\npassword={password}\n"
        );
    }

    static string Decoded(Group part) => Uri.UnescapeDataString(part.Value);

    // ext::sh -c …
    [GeneratedRegex("^[A-Za-z0-9+.-]+::")]
    private static partial Regex Helper();

    // Up to the last @ of the authority, as git reads it.
    [GeneratedRegex("^([A-Za-z][A-Za-z0-9+.-]*)://([^/?#:]*):([^/?#]*)@(.+)$")]
    private static partial Regex WithPassword();
}
