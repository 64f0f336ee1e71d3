namespace Wake.FakeClaude;

/// <summary>The command line, as far as it matters here; a flag nobody asks for is ignored together with its
/// value.</summary>
sealed class Arguments(IReadOnlyList<string> given)
{
    public IReadOnlyList<string> Given => given;

    public bool Version => Has("--version") || Has("-v");
    public string? Resume => Value("--resume") ?? Value("-r");
    public string? SessionId => Value("--session-id");
    public string Model => Value("--model") ?? "claude-opus-5-5";
    public string? Settings => Value("--settings");
    public string MaxTurns => Value("--max-turns") ?? "1";
    public string MaxBudgetUsd => Value("--max-budget-usd") ?? "1";

    /// <summary>`manual` is a newer name that the real program reports by the old one.</summary>
    public string PermissionMode => Value("--permission-mode") is { } mode and not "manual" ? mode : "default";

    public bool ReplaysUserMessages => Has("--replay-user-messages");
    public bool AsksOnStdio => Value("--permission-prompt-tool") == "stdio";

    /// <summary>What the real program prints to stderr instead of starting, or null when the flags go
    /// together.</summary>
    public string? UsageError =>
        this switch
        {
            { Resume: not null, SessionId: not null } when !Has("--fork-session") =>
                "Error: --session-id with --continue or --resume also needs --fork-session.",
            { SessionId: { } id } when !Guid.TryParseExact(id, "D", out _) =>
                "Error: Invalid session ID. Must be a valid UUID.",
            _ when Value("--output-format") == "stream-json" && !Has("--verbose") =>
                "Error: When using --print, --output-format=stream-json requires --verbose",
            _ when Has("--nonsense") => "error: unknown option '--nonsense'",
            _ => null,
        };

    bool Has(string flag) => given.Contains(flag);

    string? Value(string flag)
    {
        for (var i = 0; i < given.Count; i++)
        {
            if (given[i] == flag)
                return i + 1 < given.Count ? given[i + 1] : null;

            if (given[i].StartsWith(flag + "=", StringComparison.Ordinal))
                return given[i][(flag.Length + 1)..];
        }

        return null;
    }
}
