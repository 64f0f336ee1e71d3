using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Wake.Runner;
using Wake.ServiceDefaults;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.HouseRules;

/// <summary>What the images and docker-compose.yml say holds of the sources beside them. deploy/compose-test runs
/// them.</summary>
[Trait("Starts", "processes")]
public sealed partial class Containers
{
    static string Read(string file) => File.ReadAllText(Path.Combine(Repository.Root, file));

    [Fact]
    public void Compose_starts_every_service_there_is()
    {
        var folders = Directory
            .GetDirectories(Path.Combine(Repository.Root, "services"))
            .Select(Path.GetFileName)
            .Except(["Wake.Standalone", "Wake.Terminal"]);

        Assert.Equal(
            folders.Order(),
            Services().Matches(Read("docker-compose.yml")).Select(x => x.Groups[1].Value).Distinct().Order()
        );
    }

    [Theory]
    [InlineData("coordinator", "collector", "postgres", "rabbitmq")]
    [InlineData("gateway", "collector", "console", "postgres", "runner", "wake")]
    [InlineData("runner", "collector", "gateway", "postgres", "rabbitmq", "wake")]
    [InlineData("github", "collector", "postgres", "rabbitmq")]
    [InlineData("webhooks", "collector", "rabbitmq")]
    [InlineData("cron", "collector", "postgres", "rabbitmq")]
    [InlineData("notifier", "collector", "postgres")]
    [InlineData("console", "collector", "gateway")]
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
    public void Networks_lead_out_of_the_machine_where_they_must_alone()
    {
        var networks = NetworkLines()
            .Matches(Read("docker-compose.yml").Split("\nnetworks:\n")[1].Split("\nvolumes:\n")[0])
            .ToDictionary(x => x.Groups[1].Value, x => x.Groups[2].Value.Trim());
        Assert.All(networks.Values, x => Assert.True(x is "" or "{internal: true}", x));

        var open = networks.Where(x => x.Value.Length == 0).Select(x => x.Key).ToList();
        Assert.Equal(
            ["console-door", "gateway-door", "github-door", "notifier-world", "traces", "webhooks-door", "world"],
            open.Order()
        );
        Assert.Equal(
            [
                "collector: traces",
                "console: console-door",
                "gateway: gateway-door",
                "github: github-door",
                "jaeger: traces",
                "notifier: notifier-world",
                "runner: world",
                "webhooks: webhooks-door",
            ],
            from service in Networks()
            from network in service.Value.Intersect(open)
            let line = $"{service.Key}: {network}"
            orderby line
            select line
        );
    }

    [Fact]
    public void A_service_has_the_folder_of_its_own_secrets_alone()
    {
        var mounts = (
            from service in Blocks()
                .Matches(Read("docker-compose.yml").Split("\nservices:\n")[1].Split("\nnetworks:\n")[0])
            from mount in SecretMounts().Matches(service.Groups[2].Value)
            select (Service: service.Groups[1].Value, From: mount.Groups[1].Value, ReadOnly: mount.Groups[2].Value)
        ).ToList();

        Assert.Equal(
            [
                "console",
                "coordinator",
                "cron",
                "gateway",
                "github",
                "migrate",
                "notifier",
                "postgres",
                "rabbitmq",
                "runner",
                "wake",
                "webhooks",
            ],
            mounts.Select(x => x.Service).Distinct().Order()
        );
        Assert.All(
            mounts,
            x => Assert.Equal((x.Service, ":ro"), (x.From.Split('/').ElementAtOrDefault(1), x.ReadOnly))
        );
        Assert.Equal(mounts.Count, Read("docker-compose.yml").Split("WAKE_SECRETS_FOLDER").Length - 1);
    }

    // Its diagnostics tell the environment to whoever is the same user: in the runner's, to a turn.
    [Fact]
    public void The_images_open_no_door_for_debuggers()
    {
        var stages = Read("deploy/Dockerfile").Split("\nFROM ");
        var service = stages.Single(x => x.StartsWith("${RUNTIME} AS service\n", StringComparison.Ordinal));
        Assert.Matches(@"(?m)^ENV .*\bDOTNET_EnableDiagnostics=0$", service);

        Assert.Single(stages, x => x.StartsWith("service AS runner\n", StringComparison.Ordinal));
        Assert.DoesNotContain(stages, x => x != service && x.Contains("DOTNET_EnableDiagnostics"));
    }

    [Fact]
    public void Turns_in_a_container_are_not_the_runners_user_and_the_runner_can_do_no_more_than_that_takes()
    {
        var runner = Read("deploy/Dockerfile").Split("\nFROM ").Single(x => x.StartsWith("service AS runner\n"));
        Assert.Matches(@"(?m)^ENV .*\bRunner__RunAs=agent\b", runner);
        Assert.Equal("0:0", Users().Matches(runner)[^1].Groups[1].Value);
        Assert.Equal(2, Users().Matches(Read("deploy/Dockerfile")).Count(x => x.Groups[1].Value is "root" or "0:0"));

        var compose = Blocks().Matches(Read("docker-compose.yml")).Where(x => x.Value.Contains("cap_add")).ToList();
        Assert.Equal("runner", Assert.Single(compose).Groups[1].Value);
        Assert.Contains(
            $"cap_add: [{string.Join(", ", RunUser.RequiredCapabilities.Select(x => x.Name))}]",
            compose[0].Value
        );

        // A restricted namespace has neither root nor a capability.
        Assert.Contains("{name: Runner__RunAs, value: \"\"}", Read("deploy/kubernetes/base/runner.yaml"));
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

        Assert.Equal(["wake", "wake_github", "wake_webhooks", "wake_cron"], trusted);
        Assert.Empty(trusted.Except(users));
    }

    [Fact]
    public async Task The_secrets_are_as_many_as_the_services_and_each_is_its_own()
    {
        using var folder = new TemporaryFolder();
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(folder.Path, (UnixFileMode)0b111_101_101);
        Assert.Equal(0, await Run("deploy/secrets", folder.Path));

        // Below it everybody may read, since the containers' users are others; but for what turns must not.
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(PrivateDirectory.Mode, File.GetUnixFileMode(folder.Path));
            Assert.Equal(PrivateDirectory.Mode, File.GetUnixFileMode(folder.File("runner")));
        }

        var before = Directory
            .GetFiles(folder.Path, "*", SearchOption.AllDirectories)
            .ToDictionary(x => x, File.ReadAllText);
        Assert.Equal(0, await Run("deploy/secrets", folder.Path));
        Assert.All(before, x => Assert.Equal(x.Value, File.ReadAllText(x.Key)));

        string Of(string file) => before[Path.Combine(folder.Path, file)].Trim();
        foreach (var service in (string[])["coordinator", "gateway", "runner", "github", "cron", "notifier"])
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

    [GeneratedRegex(@"^  ([\w-]+):(.*)$", RegexOptions.Multiline)]
    private static partial Regex NetworkLines();

    [GeneratedRegex(@"^  (\w+):\n((?:    .*\n|\n)*)", RegexOptions.Multiline)]
    private static partial Regex Blocks();

    [GeneratedRegex(@"- \$\{WAKE_SECRETS_FOLDER:-\./secrets\}(\S*?):[^:\s]+(\S*)$", RegexOptions.Multiline)]
    private static partial Regex SecretMounts();

    [GeneratedRegex(@"SERVICE: (Wake\.[\w.]+)")]
    private static partial Regex Services();

    [GeneratedRegex("(?m)^USER (.*)$")]
    private static partial Regex Users();

    [GeneratedRegex(@"\$\{(WAKE_\w+)")]
    private static partial Regex Variables();
}
