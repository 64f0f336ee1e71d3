using System.CommandLine;
using System.CommandLine.Parsing;

namespace Wake.Cli;

/// <summary>Ids on the command line.</summary>
static class IdFormat
{
    /// <summary>An argument that takes an id.</summary>
    public static Argument<Guid> Argument(string name, string description) =>
        new(name) { Description = description, CustomParser = given => Parse(given, name) ?? Guid.Empty };

    /// <summary>An argument that takes an id and may be left out.</summary>
    public static Argument<Guid?> OptionalArgument(string name, string description) =>
        new(name)
        {
            Arity = ArgumentArity.ZeroOrOne,
            Description = description,
            CustomParser = given => Parse(given, name),
        };

    /// <summary>An option that takes an id.</summary>
    public static Option<Guid?> Option(string name, string helpName, string description) =>
        new(name)
        {
            HelpName = helpName,
            Description = description,
            CustomParser = given => Parse(given, name),
        };

    static Guid? Parse(ArgumentResult given, string name)
    {
        if (given.Tokens is not [var token])
            return null;
        if (Guid.TryParse(token.Value, out var id))
            return id;

        given.AddError($"{name}: '{token.Value}' is not an id like 01234567-89ab-cdef-0123-456789abcdef.");
        return null;
    }
}
