namespace Wake.Terminal;

/// <summary>Where Claude Code keeps its state.</summary>
static class ClaudeFolders
{
    public static string Home =>
        Environment.GetFolderPath(Environment.SpecialFolder.UserProfile, Environment.SpecialFolderOption.DoNotVerify);

    /// <summary>Its configuration folder.</summary>
    public static string Config => Variables.Get("CLAUDE_CONFIG_DIR") ?? Path.Combine(Home, ".claude");
}
