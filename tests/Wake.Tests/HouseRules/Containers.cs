using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.HouseRules;

/// <summary>What the images and docker-compose.yml say holds of the sources beside them. deploy/compose-test runs
/// them.</summary>
public sealed partial class Containers
{
    static string Read(string file) => File.ReadAllText(Path.Combine(Repository.Root, file));

    [Fact]
    public void Compose_starts_every_service_there_is()
    {
        var folders = Directory
            .GetDirectories(Path.Combine(Repository.Root, "services"))
            .Select(Path.GetFileName)
            .Except(["Wake.Standalone"]);

        Assert.Equal(
            folders.Order(),
            Services().Matches(Read("docker-compose.yml")).Select(x => x.Groups[1].Value).Distinct().Order()
        );
    }

    [Theory]
    [InlineData("coordinator", "collector", "postgres", "rabbitmq")]
    [InlineData("gateway", "collector", "postgres", "runner", "wake")]
    [InlineData("runner", "collector", "gateway", "postgres", "rabbitmq", "wake")]
    [InlineData("github", "collector", "postgres", "rabbitmq")]
    [InlineData("webhooks", "collector", "rabbitmq")]
    [InlineData("cron", "collector", "postgres", "rabbitmq")]
    [InlineData("migrate", "postgres")]
    public void A_service_shares_a_network_with_those_it_needs_alone(string service, params string[] others)
    {
        var networks = Networks();
        Assert.Equal(
            others,
            networks
                .Where(x => x.Key != service && x.Value.Intersect(networks[service]).Any())
                .Select(x => x.Key)
                .Order()
        );
    }

    [Fact]
    public void Compose_trusts_the_producers_that_the_broker_tells_apart()
    {
        var users = JsonNode.Parse(Read("deploy/rabbitmq.json"))!["permissions"]!
            .AsArray()
            .Select(x => (string)x!["user"]!)
            .ToList();
        var trusted = JsonNode.Parse(
            Read("deploy/settings.json"),
            documentOptions: new() { CommentHandling = JsonCommentHandling.Skip }
        )!["Coordinator"]!["TrustedPublishers"]!
            .AsArray()
            .Select(x => (string)x!)
            .ToList();

        Assert.Equal(["wake_github", "wake_webhooks", "wake_cron"], trusted);
        Assert.Empty(trusted.Except(users));
    }

    [Fact]
    public async Task The_secrets_are_as_many_as_the_services_and_each_is_its_own()
    {
        using var folder = new TemporaryFolder();
        Assert.Equal(0, await Run("deploy/secrets", folder.Path));
        var before = Directory
            .GetFiles(folder.Path, "*", SearchOption.AllDirectories)
            .ToDictionary(x => x, File.ReadAllText);
        Assert.Equal(0, await Run("deploy/secrets", folder.Path));
        Assert.All(before, x => Assert.Equal(x.Value, File.ReadAllText(x.Key)));

        string Of(string file) => before[Path.Combine(folder.Path, file)].Trim();
        foreach (var service in (string[])["coordinator", "gateway", "runner", "github", "cron"])
            Assert.Equal(
                $"Host=postgres;Database=wake;Username=wake_{service};Password={Of($"postgres/wake_{service}")}",
                Of($"{service}/ConnectionStrings__Wake")
            );

        var users = JsonNode.Parse(Of("rabbitmq/users.json"))!["users"]!
            .AsArray()
            .ToDictionary(x => (string)x!["name"]!, x => (string)x!["password"]!);
        Assert.Equal(users.Count, users.Values.Distinct().Count());
        foreach (var (user, password) in users)
            Assert.Equal(
                $"rabbitmq://{user}:{password}@rabbitmq:5672/",
                Of($"{user.Replace("wake_", "", StringComparison.Ordinal)}/MessageBus__Host")
            );
        Assert.Equal(
            users.Keys.Order(),
            JsonNode.Parse(Read("deploy/rabbitmq.json"))!["permissions"]!
                .AsArray()
                .Select(x => (string)x!["user"]!)
                .Order()
        );
    }

    [Fact]
    public void Every_variable_of_compose_that_has_no_other_place_is_told_of()
    {
        var variables = Variables()
            .Matches(Read("docker-compose.yml"))
            .Select(x => x.Groups[1].Value)
            .Except(["WAKE_API_KEY", "WAKE_PROJECTS"])
            .Distinct()
            .ToList();

        Assert.NotEmpty(variables);
        Assert.All(variables, name => Assert.Contains($"#{name}=", Read(".env.example")));
    }

    [Fact]
    public void The_claude_in_the_image_is_the_one_that_is_tested()
    {
        Assert.Contains($"claude_version={RealClaude.Current}\n", Read("deploy/tools.sh"));
        Assert.Contains("need_claude $claude_version", Read("deploy/Dockerfile"));
    }

    static async Task<int> Run(string script, string argument)
    {
        using var process = Process.Start(Path.Combine(Repository.Root, script), [argument]);
        await process.WaitForExitAsync();
        return process.ExitCode;
    }

    // Service and networks, of a file in which both stand at their place.
    static Dictionary<string, string[]> Networks() =>
        ServiceNetworks()
            .Matches(Read("docker-compose.yml"))
            .ToDictionary(x => x.Groups[1].Value, x => x.Groups[2].Value.Split(", "));

    [GeneratedRegex(@"^  (\w+):\n(?:(?:    .*)?\n)*?    networks: \[(.*)\]", RegexOptions.Multiline)]
    private static partial Regex ServiceNetworks();

    [GeneratedRegex(@"SERVICE: (Wake\.[\w.]+)")]
    private static partial Regex Services();

    [GeneratedRegex(@"\$\{(WAKE_\w+)")]
    private static partial Regex Variables();
}
