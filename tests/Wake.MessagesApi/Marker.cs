using System.Globalization;

namespace Wake.Offline;

/// <summary>One <c>[[name:argument]]</c> in a text; the argument may be empty. <see cref="Help"/> has the
/// language.</summary>
sealed record Marker(string Name, string Argument)
{
    static readonly HashSet<string> Actions = ["say", "bash", "tool", "ask", "askmulti", "big"];

    static readonly HashSet<string> Modifiers =
    [
        "delay",
        "hold",
        "ttfb",
        "ping",
        "http",
        "retryafter",
        "msg",
        "etype",
        "shouldretry",
        "drop",
        "truncate",
        "sseerror",
        "usage",
        "stop",
    ];

    /// <summary>An action is something to say or a tool to call; a modifier changes the reply it stands
    /// before.</summary>
    public bool IsAction => Actions.Contains(Name);

    /// <summary>Puts the next action into the same assistant message as the one before.</summary>
    public bool IsJoiner => Name == "and";

    public bool IsKnown => IsAction || IsJoiner || Modifiers.Contains(Name);

    public TimeSpan Seconds() =>
        double.TryParse(Argument, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds)
            ? TimeSpan.FromSeconds(Math.Min(seconds, TimeSpan.SecondsPerDay))
            : throw Unreadable();

    public int Number() => Number(Argument);

    public int Number(string part) =>
        int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw Unreadable();

    /// <summary>How many attempts the marker is about: none said means all of them.</summary>
    public int Attempts(string part) => part == "" ? int.MaxValue : Number(part);

    public FormatException Unreadable() => new($"The argument of {this} cannot be read.");

    public override string ToString() => Argument == "" ? $"[[{Name}]]" : $"[[{Name}:{Argument}]]";
}
