using System.Runtime.CompilerServices;

namespace Wake.Tests.HouseRules;

/// <summary>Where the sources are.</summary>
static class Repository
{
    public static string Root { get; } = Find();

    static string Find([CallerFilePath] string here = "")
    {
        for (var folder = Path.GetDirectoryName(here); folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, "Wake.sln")))
                return folder;
        }

        throw new InvalidOperationException($"No Wake.sln above {here}.");
    }

    /// <summary>The files below a folder, build output left out.</summary>
    public static IEnumerable<string> Sources(string folder, string pattern = "*.cs") =>
        Directory
            .EnumerateFiles(Path.Combine(Root, folder), pattern, SearchOption.AllDirectories)
            .Where(x =>
                !x.Contains("/obj/", StringComparison.Ordinal) && !x.Contains("/bin/", StringComparison.Ordinal)
            );
}
