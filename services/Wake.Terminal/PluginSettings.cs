using System.Text.Json;

namespace Wake.Terminal;

/// <summary>
/// What <c>wake plugin install</c> has written into its copy of the plugin, as <c>wake.json</c>. A plugin from a
/// marketplace has no such file.
/// </summary>
/// <param name="Data">The data folder of the Wake to use, where the environment names none.</param>
/// <param name="Register">Whether a session that Wake does not know is registered; null leaves it to where Wake
/// runs.</param>
sealed record PluginSettings(string? Data, bool? Register)
{
    /// <summary>The name of the file, in the plugin's folder.</summary>
    public const string FileName = "wake.json";

    static readonly PluginSettings None = new(null, null);

    /// <summary>Those of the plugin whose hook this process is.</summary>
    public static PluginSettings Read()
    {
        if (Variables.Get("CLAUDE_PLUGIN_ROOT") is not { } folder)
            return None;

        try
        {
            return JsonSerializer.Deserialize(
                    File.ReadAllBytes(Path.Combine(folder, FileName)),
                    TerminalJson.Default.PluginSettings
                ) ?? None;
        }
        catch (Exception missing) when (missing is IOException or UnauthorizedAccessException or JsonException)
        {
            return None;
        }
    }
}

/// <summary>Variables of the environment, of which an empty one counts as none.</summary>
static class Variables
{
    public static string? Get(string name) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;

    /// <summary>
    /// Whether the session is one that a person has open. Others are one-shot runs, which a waiting hook would keep
    /// from ending, and Wake's own, which a runner attends.
    /// </summary>
    public static bool IsPersonsSession =>
        Get("CLAUDE_CODE_ENTRYPOINT") is "cli" && Get("WAKE_RUN") is null && Get("WAKE_RUN_TOKEN") is null;
}
