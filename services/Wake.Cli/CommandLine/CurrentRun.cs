using Wake.Store;

namespace Wake.Cli;

/// <summary>
/// Whether the command runs in a turn, and what it shows to the API then: the token of that turn and nothing of its
/// owner's, wherever the environment or an option says that one lies. It is no wall: who has a shell as the same user
/// can change the environment.
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
