using Wake.Runner;
using Wake.Testing;

namespace Wake.Tests.Support;

/// <summary>Processes of this machine, whoever started them.</summary>
static class MachineProcess
{
    /// <summary>The number that somebody writes into a file, once it is there.</summary>
    public static async Task<int> Id(string file)
    {
        var id = 0;
        await Eventually.Holds(() => Task.FromResult(File.Exists(file) && int.TryParse(File.ReadAllText(file), out id)), $"{file} has a number");
        return id;
    }

    /// <summary>Whether it runs; one that has ended and was not collected does not.</summary>
    public static bool Runs(int id) => Look(id) is { IsZombie: false };

    /// <summary>Whether it has left nothing at all, not even an exit code for somebody to collect.</summary>
    public static bool IsGone(int id) => Look(id) is null;

    public static int Parent(int id) => Look(id)?.Parent ?? 0;

    static SeenProcess? Look(int id) => ProcessTable.Find(id);
}
