using System.CommandLine;

namespace Wake.Cli;

/// <summary>
/// Makes whatever follows an option that takes a value its value, as getopt does, so that a title or a branch name from
/// outside can never be read as an option.
/// </summary>
/// <remarks>
/// System.CommandLine 2.0.15 by itself takes <c>--reason -x</c> and <c>--reason --wait</c> that way too, but not
/// <c>--reason --data=x</c> and <c>--reason --</c>; and it takes <c>--reason=</c> for an option without a value.
/// </remarks>
static class OptionValues
{
    /// <summary>The arguments, every option in one piece with its value (<c>--reason=-x</c>) unless that is
    /// empty.</summary>
    public static IReadOnlyList<string> JoinValues(IReadOnlyList<string> arguments, Command root)
    {
        List<string> joined = [];
        var command = root;

        for (var i = 0; i < arguments.Count; i++)
        {
            var argument = arguments[i];
            var (name, value) = argument.IndexOfAny(['=', ':']) is var at and > 0
                ? (argument[..at], argument[(at + 1)..])
                : (argument, null);

            if (argument == "--")
                return [.. joined, .. arguments.Skip(i)];

            if (TakesValue(command, name) && (value is not null || i + 1 < arguments.Count))
            {
                value ??= arguments[++i];
                joined.AddRange(value.Length > 0 ? [$"{name}={value}"] : [name, ""]);
                continue;
            }

            command = command.Subcommands.FirstOrDefault(x => x.Name == argument) ?? command;
            joined.Add(argument);
        }

        return joined;
    }

    static bool TakesValue(Command command, string name) =>
        command.Options.Any(x => x.Arity.MinimumNumberOfValues > 0 && (x.Name == name || x.Aliases.Contains(name)));
}
