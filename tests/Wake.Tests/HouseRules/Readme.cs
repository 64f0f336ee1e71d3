using System.Text.RegularExpressions;

namespace Wake.Tests.HouseRules;

public sealed partial class Readme
{
    [Fact]
    public void Every_file_it_links_to_exists()
    {
        var text = File.ReadAllText(Path.Combine(Repository.Root, "README.md"));
        var links = Links()
            .Matches(text)
            .Select(x => x.Groups[1].Value.Split('#')[0])
            .Where(x => x.Length > 0 && !x.StartsWith("http", StringComparison.Ordinal))
            .ToList();

        Assert.NotEmpty(links);
        Assert.All(
            links,
            link => Assert.True(Path.Exists(Path.Combine(Repository.Root, link)), $"{link} does not exist.")
        );
    }

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Links();
}
