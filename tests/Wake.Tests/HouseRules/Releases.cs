using System.Diagnostics;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Wake.Cli;
using Wake.Tests.Support;
using YamlDotNet.RepresentationModel;

namespace Wake.Tests.HouseRules;

/// <summary>What deploy/release makes packages from. tests/install installs them and wakes sessions.</summary>
[Trait("Starts", "processes")]
public sealed partial class Releases : IDisposable
{
    // What a package may be under, and where its text is for those who get it with Wake.
    static readonly Dictionary<string, string> LicenceTexts = new()
    {
        ["Apache-2.0"] = "LICENSE",
        ["BSD-3-Clause"] = "deploy/packages/licences/BSD-3-Clause.txt",
        ["MIT"] = "deploy/packages/licences/MIT.txt",
        ["PostgreSQL"] = "deploy/packages/licences/PostgreSQL.txt",
    };

    readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Every_package_that_ships_is_free_and_comes_with_the_text_of_its_licence()
    {
        var assets = JsonNode.Parse(Read("services/Wake.Cli/obj/project.assets.json"))!;
        var packages = assets["packageFolders"]!.AsObject().Select(x => x.Key).First();
        var licences = (
            from package in assets["libraries"]!.AsObject()
            where (string?)package.Value!["type"] == "package"
            let files = Path.Combine(packages, (string)package.Value["path"]!)
            let nuspec = XDocument.Load(Directory.GetFiles(files, "*.nuspec").Single())
            let licence = nuspec.Descendants().FirstOrDefault(x => x.Name.LocalName == "license")
            select (
                Package: package.Key,
                Expression: licence?.Attribute("type")?.Value == "expression" ? licence.Value : ""
            )
        ).ToList();

        Assert.True(licences.Count > 10, $"Only {licences.Count} packages were found.");
        Problems.None(
            from one in licences
            where !one.Expression.Split(" OR ").Any(LicenceTexts.ContainsKey)
            select $"{one.Package} is under '{one.Expression}', of which no text is shipped."
        );
        Assert.All(LicenceTexts.Values, x => Assert.True(File.Exists(Path.Combine(Repository.Root, x)), x));
    }

    [Fact]
    public void The_unit_of_the_Debian_package_runs_Wake_as_wake_service_install_does()
    {
        var facts = new ServiceFacts(["/usr/bin/wake"], "/data", "/home/a", "/home/a/.config", "1", Variables());
        Assert.Equal(
            Directives(SystemdUnit.Plan(facts).Service.Content),
            Directives(Read("deploy/packages/wake.service"))
        );

        static Dictionary<string, string> Variables() => [];
        static IEnumerable<string> Directives(string unit) =>
            unit.Split('\n')
                .Where(x => x.Length > 0 && x[0] is not '#')
                .Where(x => !x.StartsWith("ExecStart=") && !x.StartsWith("EnvironmentFile="))
                .Where(x => !x.StartsWith("Environment=") || x.Contains("DOTNET"))
                .Order(StringComparer.Ordinal);
    }

    [Fact]
    public async Task The_command_of_npm_becomes_the_program_of_this_platform_wherever_npm_has_put_it()
    {
        var modules = folder.File("lib/node_modules/@wake-on-event");
        var launcher = Place(
            $"{modules}/wake/bin/wake",
            Read("deploy/packages/npm-wake").Replace("@NAME@", "@wake-on-event")
        );
        var link = folder.File("bin/wake");
        Directory.CreateDirectory(Path.GetDirectoryName(link)!);
        File.CreateSymbolicLink(link, launcher);

        var missing = await Run(link, []);
        Assert.Equal(1, missing.ExitCode);
        Assert.Contains("npm install --global @wake-on-event/wake-", missing.Errors);

        foreach (var platform in (string[])["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"])
            Place($"{modules}/wake-{platform}/wake", $"#!/bin/sh\necho beside {platform} \"$1\" $$\n");
        var beside = await Run(link, ["two words"]);
        // No process stays between them.
        Assert.Matches($@"^beside (linux|darwin)-\w+ two words {beside.ProcessId}\n$", beside.Output);

        foreach (var platform in (string[])["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"])
            Place(
                $"{modules}/wake/node_modules/@wake-on-event/wake-{platform}/wake",
                "#!/bin/sh\necho within; exit 7\n"
            );
        var within = await Run(link, []);
        Assert.Equal((7, "within"), (within.ExitCode, within.Output.Trim()));
    }

    [Fact]
    public async Task A_tag_that_says_another_version_is_refused()
    {
        var said = await Run(
            Path.Combine(Repository.Root, "deploy/release"),
            ["--output", folder.File("out"), "v9.9.9"]
        );

        Assert.Equal(1, said.ExitCode);
        Assert.Contains("not 9.9.9", said.Errors);
        Assert.False(Directory.Exists(folder.File("out")));
    }

    [Fact]
    public void Nobody_is_offered_a_MassTransit_that_costs()
    {
        var updates = Yaml(".github/dependabot.yml")["updates"];
        var nuget = ((YamlSequenceNode)updates).Single(x => (string?)x["package-ecosystem"] == "nuget");
        var ignored = ((YamlSequenceNode)nuget["ignore"]).Single(x => (string?)x["dependency-name"] == "MassTransit*");

        Assert.Equal(
            ["version-update:semver-major"],
            ((YamlSequenceNode)ignored["update-types"]).Select(x => (string?)x)
        );
    }

    [Fact]
    public void The_workflows_can_be_read_and_run_scripts_that_are_there()
    {
        var workflows = Directory.GetFiles(Path.Combine(Repository.Root, ".github/workflows"), "*.yml");
        var scripts = workflows
            .SelectMany(x => Scripts().Matches(File.ReadAllText(x)))
            .Select(x => x.Value)
            .ToHashSet();

        Assert.All(workflows, x => Assert.NotEmpty(((YamlMappingNode)Yaml(x)["jobs"]).Children));
        Assert.Superset(new HashSet<string> { "deploy/release", "tests/install", "tests/run" }, scripts);
        Assert.All(scripts, x => Assert.True(File.Exists(Path.Combine(Repository.Root, x)), x));
    }

    static async Task<(int ExitCode, string Output, string Errors, int ProcessId)> Run(
        string program,
        string[] arguments
    )
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, output, await errors, process.Id);
    }

    static string Read(string file) => File.ReadAllText(Path.Combine(Repository.Root, file));

    static YamlNode Yaml(string file)
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(Read(file)));
        return stream.Documents.Single().RootNode;
    }

    static string Place(string path, string content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        return path;
    }

    [GeneratedRegex(@"\b(?:deploy|tests)/[a-z-]+\b(?=[\s""$]|$)")]
    private static partial Regex Scripts();
}
