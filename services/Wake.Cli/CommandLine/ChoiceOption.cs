using System.CommandLine;

namespace Wake.Cli;

/// <summary>Options that take one of a few words.</summary>
static class ChoiceOption
{
    /// <summary>An option whose words are the names of an enumeration.</summary>
    public static Option<T?> Create<T>(string name, string description)
        where T : struct, Enum
    {
        string[] words = [.. Enum.GetNames<T>().Select(x => x.ToLowerInvariant())];
        return new(name)
        {
            HelpName = string.Join('|', words),
            Description = description,
            CustomParser = given =>
            {
                var text = given.Tokens[0].Value;
                if (words.Contains(text, StringComparer.OrdinalIgnoreCase))
                    return Enum.Parse<T>(text, ignoreCase: true);

                given.AddError($"{name}: '{text}' is not one of {string.Join(", ", words)}.");
                return null;
            },
        };
    }
}
