using Wake.Store;

namespace Wake.Cli;

/// <summary>
/// Detects that the command runs inside a turn and supplies that turn's token instead of the owner's credentials. Not a
/// security boundary: a shell of the same user can change the environment.
/// </summary>
static class CurrentRun
{
    /// <summary>Whether it does. What an older runner has started has no token, and the mark of a run.</summary>
    public static bool Exists => Variable(RunTokens.Variable) is not null || Variable("WAKE_RUN") is not null;

    /// <summary>What it shows.</summary>
    public static string? Token => Variable(RunTokens.Variable);

    static string? Variable(string name) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;
}
