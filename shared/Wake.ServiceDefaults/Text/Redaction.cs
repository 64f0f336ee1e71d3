using System.Text.RegularExpressions;

namespace Wake.ServiceDefaults;

/// <summary>Takes secrets out of text that comes from outside and is going to be stored or logged.</summary>
public static partial class Redaction
{
    /// <summary>What stands in the place of a secret.</summary>
    public const string Instead = "[redacted]";

    // Shorter values are no secrets, and would take harmless words out of the text.
    const int Shortest = 8;

    /// <summary>Removes what looks like a key or token, and the values of the given environment that must be
    /// one.</summary>
    public static string Redact(string text, IReadOnlyDictionary<string, string> environment) =>
        Redact(RedactValues(text, environment));

    /// <summary>Removes the values of the given environment that must be keys or tokens, and nothing that only looks
    /// like one.</summary>
    public static string RedactValues(string text, IReadOnlyDictionary<string, string> environment)
    {
        foreach (var (name, value) in environment)
        {
            foreach (
                var secret in HeadersName().IsMatch(name) ? Values(value)
                : SecretName().IsMatch(name) ? [value]
                : []
            )
            {
                if (secret.Length >= Shortest)
                    text = text.Replace(secret, Instead, StringComparison.Ordinal);
            }
        }

        return text;
    }

    /// <summary>Removes what looks like a key or token.</summary>
    public static string Redact(string text) => SecretText().Replace(text, Instead);

    // Headers as variables hold them: NAME: VALUE on lines, or NAME=VALUE between commas.
    static IEnumerable<string> Values(string headers) =>
        headers
            .Split('\n', ',')
            .Select(x => x[(x.IndexOfAny([':', '=']) + 1)..].Trim())
            .SelectMany(x => x.Split(' ').Append(x));

    /// <summary>Whether a variable, by its name, holds a secret.</summary>
    internal static bool IsSecret(string variable) => SecretName().IsMatch(variable);

    [GeneratedRegex(
        "KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|AUTHORIZATION|COOKIE|(^|_)(PAT|PASS|PWD|AUTH|DSN)$|(?<=_)PAT_",
        RegexOptions.IgnoreCase
    )]
    private static partial Regex SecretName();

    [GeneratedRegex("HEADERS$", RegexOptions.IgnoreCase)]
    private static partial Regex HeadersName();

    // Keys by their looks; what a scheme of authorization, a header or a setting of a telling name stands before; the
    // password of an address. Of a header only what has a digit: a message may say "token: expired" as well. What a
    // value begins with is looked for first: what stands before one may be any number of blanks, and would be looked
    // for at each of them.
    [GeneratedRegex(
        """
            sk-(ant-[\w-]{8,}|[\w-]{16,})|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abprs]-[\w-]{10,}|xapp-[\w-]{10,}|AKIA[0-9A-Z]{16}|AIza[\w-]{30,}|npm_\w{30,}
            |wake_[\w-]{24,}|whsec_[\w+/=-]{16,}|eyJ(?>[\w-]{10,})\.(?>[\w-]{10,})\.[\w-]{5,}
            |-----BEGIN\ [A-Z\ ]*PRIVATE\ KEY-----[\s\S]*?(-----END\ [A-Z\ ]*PRIVATE\ KEY-----|$)
            |(?=[\w.~+/=-]{8})(?<=\b(bearer|basic)\s+)[\w.~+/=-]{8,}
            |(?=[^\s"',;]{8})(?<=\b[\w-]*(authorization|cookie|api[_-]?key|token|secret|password|passwd)["']?\s*:\s*["']?)(?=\S*\d)[^\s"',;]{8,}
            |(?=[^\s"';&])(?<=\b\w*(password|passwd|passphrase)\s*=\s*["']?)[^\s"';&]+
            |(?=[^\s"';&]{6})(?<=\b(\w*_)?pat\s*=\s*|\b\w+_(pass|pwd)\s*=\s*|\bpwd\s*=\s*(?=[^/])
                 |\b\w*(token|secret|credentials?|[_-]key|apikey|accesskey)\s*=\s*["']?)[^\s"';&]{6,}
            |(?<=://[^/\s:@]*:)[^\s/]+(?=@)|(?<=://)[^/\s:@]{16,}(?=@)
            """,
        RegexOptions.IgnoreCase | RegexOptions.IgnorePatternWhitespace | RegexOptions.ExplicitCapture
    )]
    private static partial Regex SecretText();
}
