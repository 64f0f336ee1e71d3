using System.Diagnostics;
using Wake.Runner;
using Wake.Testing;

namespace Wake.Tests.Support;

/// <summary>Processes of this machine, whoever started them.</summary>
static class MachineProcess
{
    /// <summary>The number that somebody writes into a file, once it is there.</summary>
    public static async Task<int> ReadProcessId(string file)
    {
        var id = 0;
        await Eventually.Holds(
            () => Task.FromResult(File.Exists(file) && int.TryParse(File.ReadAllText(file), out id)),
            $"{file} has a number"
        );
        return id;
    }

    /// <summary>The CLI, real or fake, that runs in a system.</summary>
    public static int CliProcess(WakeSystem wake) => CliProcesses(wake).Single();

    public static IReadOnlyList<int> CliProcesses(WakeSystem wake) => CliProcesses(wake.ClaudeConfig);

    /// <summary>All that have a configuration folder.</summary>
    public static IReadOnlyList<int> CliProcesses(string configFolder) =>
        [
            .. Process
                .GetProcesses()
                .Where(x =>
                    x.ProcessName is "claude" or "fake-claude"
                    && Read(x.Id, "environ").Contains($"CLAUDE_CONFIG_DIR={configFolder}\0")
                )
                .Select(x => x.Id),
        ];

    /// <summary>Those in whose command line something stands.</summary>
    public static IReadOnlyList<int> WithArgument(string argument) =>
        [.. Process.GetProcesses().Where(x => Read(x.Id, "cmdline").Contains(argument)).Select(x => x.Id)];

    /// <summary>Whether it runs; one that has ended and was not collected does not.</summary>
    public static bool Runs(int id) => Find(id) is { IsZombie: false };

    /// <summary>Whether it has left nothing at all, not even an exit code for somebody to collect.</summary>
    public static bool IsGone(int id) => Find(id) is null;

    public static void Freeze(int id) => Process.Start("kill", ["-STOP", $"{id}"]).WaitForExit();

    public static void Kill(int id) => Process.GetProcessById(id).Kill();

    public static IReadOnlyList<int> Children(int id) =>
        [.. ProcessTable.All().Where(x => x.ParentId == id && !x.IsZombie).Select(x => x.Id)];

    public static int Parent(int id) => Find(id)?.ParentId ?? 0;

    static string Read(int id, string what)
    {
        try
        {
            return File.ReadAllText($"/proc/{id}/{what}");
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            // One of another system, that ended in this moment, or of another user.
            return "";
        }
    }

    static ProcessSnapshot? Find(int id) => ProcessTable.Find(id);
}

/// <summary>
/// Tests that kill a runner and find there what it ran. Any runner that starts on the machine ends what all have left
/// that are gone, so no other test may start one meanwhile. They run alone, at the end: each costs the whole run its
/// time.
/// </summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class MachineProcesses
{
    public const string Name = "processes of the machine";
}
