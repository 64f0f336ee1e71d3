using System.Xml.Linq;

namespace Wake.Tests.HouseRules;

/// <summary>What may depend on what. Services know messages, never each other; only Standalone puts them
/// together.</summary>
public sealed class ProjectReferences
{
    static readonly Dictionary<string, string[]> Drawing = new()
    {
        ["Wake.Contracts"] = [],
        ["Wake.Store"] = ["Wake.Contracts"],
        ["Wake.ServiceDefaults"] = [],
        ["Wake.Prompting"] = ["Wake.ServiceDefaults", "Wake.Store"],
        ["Wake.Producing"] = ["Wake.Contracts", "Wake.ServiceDefaults"],
        ["Wake.Producers.Cron"] = ["Wake.Contracts", "Wake.Producing", "Wake.ServiceDefaults", "Wake.Store"],
        ["Wake.Producers.GitHub"] = ["Wake.Contracts", "Wake.Producing", "Wake.ServiceDefaults", "Wake.Store"],
        ["Wake.Producers.Webhooks"] = ["Wake.Contracts", "Wake.Producing", "Wake.ServiceDefaults"],
        ["Wake.Coordinator"] = ["Wake.Contracts", "Wake.ServiceDefaults", "Wake.Store"],
        ["Wake.Runner"] = ["Wake.Contracts", "Wake.Prompting", "Wake.ServiceDefaults", "Wake.Store"],
        ["Wake.Gateway"] = ["Wake.Contracts", "Wake.Prompting", "Wake.ServiceDefaults", "Wake.Store"],
        ["Wake.Console"] = ["Wake.Contracts", "Wake.ServiceDefaults"],
        ["Wake.Notifier"] = ["Wake.Contracts", "Wake.ServiceDefaults", "Wake.Store"],
        ["Wake.Terminal"] = ["Wake.Contracts"],
        ["Wake.Standalone"] =
        [
            "Wake.Console",
            "Wake.Coordinator",
            "Wake.Gateway",
            "Wake.Notifier",
            "Wake.Producers.Cron",
            "Wake.Producers.GitHub",
            "Wake.Producers.Webhooks",
            "Wake.Runner",
        ],
        ["Wake.Cli"] = ["Wake.Standalone"],
    };

    [Fact]
    public void Are_as_drawn() =>
        Assert.Equal(
            Drawing.OrderBy(x => x.Key).Select(x => $"{x.Key} -> {string.Join(", ", x.Value)}"),
            Projects()
                .OrderBy(x => x.Name)
                .Select(x => $"{x.Name} -> {string.Join(", ", x.References("ProjectReference").Order())}")
        );

    [Fact]
    public void The_contracts_stand_on_nothing() =>
        Assert.Empty(Projects().Single(x => x.Name == "Wake.Contracts").References("PackageReference"));

    [Fact]
    public void Versions_are_said_in_one_place() =>
        Assert.All(
            Projects(),
            project =>
                Assert.DoesNotContain(
                    project.Xml.Descendants("PackageReference"),
                    x => x.Attribute("Version") is not null
                )
        );

    static IEnumerable<Project> Projects() =>
        from folder in (string[])["services", "shared"]
        from file in Repository.Sources(folder, "*.csproj")
        select new Project(Path.GetFileNameWithoutExtension(file), XDocument.Load(file));

    sealed record Project(string Name, XDocument Xml)
    {
        public IEnumerable<string> References(string kind) =>
            Xml.Descendants(kind)
                .Select(x => Path.GetFileNameWithoutExtension(x.Attribute("Include")!.Value.Replace('\\', '/')));
    }
}
