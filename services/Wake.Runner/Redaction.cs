using System.Text.RegularExpressions;

namespace Wake.Runner;

/// <summary>Takes secrets out of text that comes from outside and is going to be stored or logged.</summary>
static partial class Redaction
{
    const string Instead = "[redacted]";

    /// <summary>Removes what looks like a key or token, and the values of the given environment that must be one.</summary>
    public static string Redact(string text, IReadOnlyDictionary<string, string> environment)
    {
        foreach (var (name, value) in environment)
        {
            // Shorter values are no secrets, and would take harmless words out of the text.
            if (value.Length >= 8 && SecretName().IsMatch(name))
                text = text.Replace(value, Instead, StringComparison.Ordinal);
        }

        return SecretText().Replace(text, Instead);
    }

    [GeneratedRegex("KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", RegexOptions.IgnoreCase)]
    private static partial Regex SecretName();

    [GeneratedRegex("""sk-ant-[\w-]{8,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abprs]-[\w-]{10,}|AKIA[0-9A-Z]{16}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{5,}|(?<=://[^/\s:@]+:)[^@\s/]+(?=@)""")]
    private static partial Regex SecretText();
}
