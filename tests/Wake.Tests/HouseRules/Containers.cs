using System.Text.RegularExpressions;
using Wake.Testing;

namespace Wake.Tests.HouseRules;

/// <summary>What the images and docker-compose.yml say holds of the sources beside them. deploy/compose-test runs them.</summary>
public sealed partial class Containers
{
    static string Read(string file) => File.ReadAllText(Path.Combine(Repository.Root, file));

    [Fact]
    public void Compose_starts_every_service_there_is()
    {
        var folders = Directory.GetDirectories(Path.Combine(Repository.Root, "services")).Select(Path.GetFileName).Except(["Wake.Standalone"]);

        Assert.Equal(folders.Order(), Services().Matches(Read("docker-compose.yml")).Select(x => x.Groups[1].Value).Order());
    }

    [Fact]
    public void Every_variable_of_compose_that_has_no_other_place_is_told_of()
    {
        var variables = Variables().Matches(Read("docker-compose.yml")).Select(x => x.Groups[1].Value)
            .Except(["WAKE_API_KEY", "WAKE_PROJECTS"]).Distinct().ToList();

        Assert.NotEmpty(variables);
        Assert.All(variables, name => Assert.Contains($"#{name}=", Read(".env.example")));
    }

    [Fact]
    public void The_claude_in_the_image_is_the_one_that_is_tested()
    {
        Assert.Contains($"claude_version={RealClaude.Current}\n", Read("deploy/tools.sh"));
        Assert.Contains("need_claude $claude_version", Read("deploy/Dockerfile"));
    }

    [GeneratedRegex(@"SERVICE: (Wake\.[\w.]+)")]
    private static partial Regex Services();

    [GeneratedRegex(@"\$\{(WAKE_\w+)")]
    private static partial Regex Variables();
}
