using System.Collections.Concurrent;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Wake.Contracts;
using Wake.Runner;
using Wake.ServiceDefaults;
using Wake.Testing;
using Wake.Tests.Support;
using Wake.WebConsole;

namespace Wake.Tests.HouseRules;

/// <summary>
/// What deploy/kubernetes would bring to a cluster: right by the schemas of Kubernetes and KEDA, whole in itself, and
/// in step with the code. No cluster is asked.
/// </summary>
public sealed class KubernetesObjects
{
    static readonly string Folder = Path.Combine(Repository.Root, "deploy", "kubernetes");

    static readonly ConcurrentDictionary<string, Task<string>> Texts = [];

    public static TheoryData<string> Overlays => ["single-node", "production"];

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task Every_object_is_one_by_the_schema_of_its_kind(string overlay) =>
        Assert.Empty(await Wrong(await Rendered(overlay)));

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task Every_reference_means_something(string overlay) =>
        Assert.Empty(new KubernetesReferences(await Rendered(overlay)).Broken());

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task Every_setting_is_one_that_some_service_reads(string overlay) =>
        Assert.Empty(Unread(await Rendered(overlay)));

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task Every_pod_gets_more_time_to_stop_than_it_takes_and_rolls_without_a_gap(string overlay)
    {
        foreach (var (item, spec) in await OurPods(overlay))
        {
            var drain =
                (string)item["metadata"]!["name"]! == "runner"
                    ? new ClaudeOptions().DrainTime
                    : new HostOptions().ShutdownTimeout;
            var before = spec["containers"]![0]!["lifecycle"]?["preStop"]!["exec"]!["command"]![1] is { } sleep
                ? int.Parse((string)sleep!, null)
                : 0;
            Assert.InRange((int)spec["terminationGracePeriodSeconds"]!, drain.TotalSeconds + before + 5, 600);

            if ((string)item["kind"]! == "Deployment")
                Assert.Equal(0, (int)item["spec"]!["strategy"]!["rollingUpdate"]!["maxUnavailable"]!);
        }
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task No_pod_may_more_than_it_must(string overlay)
    {
        foreach (var workload in new KubernetesReferences(await Rendered(overlay)).Workloads)
        {
            var pod = KubernetesReferences.Pod(workload)!["spec"]!;
            Assert.True((bool)pod["securityContext"]!["runAsNonRoot"]!);
            Assert.Equal("RuntimeDefault", (string)pod["securityContext"]!["seccompProfile"]!["type"]!);
            Assert.False((bool)pod["automountServiceAccountToken"]!);
            Assert.All(
                (pod["initContainers"]?.AsArray() ?? []).Concat(pod["containers"]!.AsArray()),
                x =>
                    Assert.Equal(
                        """{"allowPrivilegeEscalation":false,"readOnlyRootFilesystem":true,"capabilities":{"drop":["ALL"]}}""",
                        x!["securityContext"]!.ToJsonString()
                    )
            );
        }
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task Health_is_asked_for_where_it_is_answered(string overlay)
    {
        var source = File.ReadAllText(
            Path.Combine(Repository.Root, "shared/Wake.ServiceDefaults/Observability/Health.cs")
        );
        foreach (var (_, spec) in await OurPods(overlay))
        {
            var container = spec["containers"]![0]!;
            Assert.All(
                ["startupProbe", "livenessProbe", "readinessProbe"],
                probe => Assert.Contains($"\"{container[probe]!["httpGet"]!["path"]}\"", source)
            );
            Assert.Equal("/health/ready", (string)container["readinessProbe"]!["httpGet"]!["path"]!);
            Assert.Equal("/health/live", (string)container["livenessProbe"]!["httpGet"]!["path"]!);
        }
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task What_no_policy_allows_is_forbidden_to_every_pod(string overlay)
    {
        var nobody = (await Rendered(overlay)).Single(x => KubernetesReferences.Called(x) == "NetworkPolicy nobody");
        Assert.Equal("""{"podSelector":{},"policyTypes":["Ingress","Egress"]}""", nobody["spec"]!.ToJsonString());
    }

    // Where clouds tell machines their keys; and, of what leads to the world, one's own network.
    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task No_pod_reaches_the_metadata_of_its_machine(string overlay)
    {
        var blocks = (
            from policy in await Rendered(overlay)
            where (string)policy["kind"]! == "NetworkPolicy"
            from rule in policy["spec"]!["egress"]?.AsArray() ?? []
            // A rule without them leads everywhere.
            from peer in rule!["to"]?.AsArray().AsEnumerable()
                ?? [JsonNode.Parse("""{"ipBlock":{"cidr":"0.0.0.0/0"}}""")]
            let block = peer!["ipBlock"]
            where block is not null
            select (Name: KubernetesReferences.Called(policy), Block: block)
        ).ToList();

        Assert.Contains(blocks, x => x.Name == "NetworkPolicy to-world");
        Assert.DoesNotContain(blocks, x => Leads(x.Block, "169.254.169.254"));
        Assert.All(
            ["10.1.2.3", "100.64.1.2", "172.16.1.2", "192.168.1.2"],
            address => Assert.DoesNotContain(blocks, x => x.Name == "NetworkPolicy to-world" && Leads(x.Block, address))
        );

        static bool Leads(JsonNode block, string address) =>
            Within((string)block["cidr"]!, address)
            && (block["except"]?.AsArray() ?? []).All(x => !Within((string)x!, address));

        static bool Within(string network, string address) =>
            System.Net.IPNetwork.Parse(network).Contains(System.Net.IPAddress.Parse(address));
    }

    // A path that is the console's and not here is not found; the others, its health above all, are not to be.
    [Fact]
    public async Task The_world_comes_to_the_paths_of_the_console_and_to_no_others_of_it()
    {
        var objects = await Rendered("production");
        var paths = objects.Single(x => (string)x["kind"]! == "Ingress")["spec"]!["rules"]![0]!["http"]!["paths"]!
            .AsArray()
            .Where(x => (string)x!["backend"]!["service"]!["name"]! == "console")
            .Select(x => ((string)x!["path"]!, (string)x["pathType"]!));

        Assert.Equal(
            ConsolePaths.Segments.Select(x => ($"/{x}", x.Length == 0 ? "Exact" : "Prefix")).Order(),
            paths.Order()
        );
    }

    [Fact]
    public async Task Runners_are_scaled_by_the_queues_they_take_work_from()
    {
        var objects = await Rendered("production");
        var triggers = objects.Single(x => (string)x["kind"]! == "ScaledObject")["spec"]!["triggers"]!
            .AsArray()
            .Select(x => x!["metadata"]!)
            .ToList();
        var slots = objects.Single(x => (string)x["kind"]! == "ConfigMap")["data"]!["Runner__Slots"]!;

        Assert.Equal(
            [RunnerQueues.ForPool(RunnerQueues.DefaultPool), RunnerQueues.UrgentForPool(RunnerQueues.DefaultPool)],
            triggers.Select(x => (string)x["queueName"]!)
        );
        Assert.Equal((string)slots!, (string)triggers[0]["value"]!);
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task Every_service_comes_to_the_servers_as_itself_and_sees_no_others_password(string overlay)
    {
        var objects = await Rendered(overlay);
        Assert.Empty(Strangers(objects));
        foreach (var (item, spec) in await OurPods(overlay))
        {
            var name = (string)item["metadata"]!["name"]!;
            var secrets = spec["volumes"]!
                .AsArray()
                .SelectMany(x => x!["projected"]?["sources"]?.AsArray() ?? [])
                .Select(x => (string?)x!["secret"]?["name"])
                .OfType<string>();
            Assert.Equal([$"wake-{name}"], secrets);
            Assert.DoesNotContain(
                "owner",
                spec["containers"]![0]!["volumeMounts"]!.AsArray().Select(x => (string)x!["name"]!)
            );
        }
    }

    [Theory]
    [InlineData(
        "Secret wake-runner",
        "/stringData/ConnectionStrings__Wake",
        "\"Host=postgres;Username=wake;Password=x\""
    )]
    [InlineData(
        "Secret wake-cron",
        "/stringData/ConnectionStrings__Wake",
        "\"Host=postgres;Username=wake_runner;Password=x\""
    )]
    [InlineData("Secret wake-webhooks", "/stringData/MessageBus__Host", "\"amqp://wake:x@rabbitmq:5672\"")]
    public async Task A_service_that_comes_as_another_is_found(string name, string path, string value) =>
        Assert.Equal([name], Strangers(await Broken(name, path, value)));

    [Fact]
    public async Task What_the_servers_of_the_overlay_begin_with_is_what_is_shipped_beside_it()
    {
        var objects = await Rendered("single-node");
        string Data(string name, string key) =>
            (string)objects.Single(x => KubernetesReferences.Called(x) == name)["data"]![key]!;

        Assert.Equal(
            File.ReadAllText(Servers.Shipped("postgres/roles.sql")),
            Data("ConfigMap wake-postgres", "roles.sql")
        );
        Assert.Equal(
            File.ReadAllText(Servers.Shipped("rabbitmq.json")),
            Data("ConfigMap wake-rabbitmq", "rights.json")
        );

        var users = JsonNode.Parse(
            (string)
                objects.Single(x => KubernetesReferences.Called(x) == "Secret wake-rabbitmq")["stringData"]![
                    "users.json"
                ]!
        )!["users"]!.AsArray();
        var rights = JsonNode.Parse(Data("ConfigMap wake-rabbitmq", "rights.json"))!["permissions"]!.AsArray();
        Assert.Equal(rights.Select(x => (string)x!["user"]!), users.Select(x => (string)x!["name"]!));
    }

    // Whose secret names another's role or user.
    static IEnumerable<string> Strangers(IReadOnlyList<JsonNode> objects) =>
        from item in objects
        let name = KubernetesReferences.Called(item)
        where name.StartsWith("Secret wake-", StringComparison.Ordinal)
        let role = name is "Secret wake-migrate" ? "wake" : name["Secret ".Length..].Replace('-', '_')
        let secret = item["stringData"]!
        where
            (
                secret["ConnectionStrings__Wake"] is { } database
                && !((string)database!).Contains($"Username={role};", StringComparison.Ordinal)
            ) || (secret["MessageBus__Host"] is { } broker && new Uri((string)broker!).UserInfo.Split(':')[0] != role)
        select name;

    // Whoever breaks one of these hears of it.
    [Theory]
    [InlineData("Deployment gateway", "/spec/template/spec/containers/0/imagee", "\"x\"", "imagee is not known")]
    [InlineData("Deployment gateway", "/spec/replicas", "\"two\"", "/spec/replicas")]
    [InlineData("StatefulSet runner", "/spec/volumeClaimTemplates/0/spec/accesModes", "[]", "accesModes is not known")]
    [InlineData("ScaledObject runner", "/spec/triggers/0/metadta", "{}", "metadta is not known")]
    [InlineData("NetworkPolicy to-world", "/spec/egress/0/to/0/ipBlock/cidrr", "\"x\"", "cidrr is not known")]
    public async Task What_is_wrong_by_the_schema_is_found(string name, string path, string value, string problem) =>
        Assert.Contains(problem, Assert.Single(await Wrong(await Broken(name, path, value))));

    [Theory]
    [InlineData("Service gateway", "/spec/ports/0/targetPort", "\"web\"", "Deployment gateway has no port web")]
    [InlineData("Service gateway", "/spec/selector/app.kubernetes.io~1component", "\"door\"", "it selects nothing")]
    [InlineData(
        "Deployment cron",
        "/spec/template/spec/containers/0/readinessProbe/httpGet/port",
        "\"web\"",
        "it has no port web"
    )]
    [InlineData(
        "Deployment cron",
        "/spec/template/metadata/labels/app.kubernetes.io~1component",
        "\"clock\"",
        "its selector does not select its pods"
    )]
    [InlineData(
        "Deployment cron",
        "/spec/template/spec/volumes/0/projected/sources/1/secret/name",
        "\"wake-clock\"",
        "there is no Secret wake-clock"
    )]
    [InlineData("Deployment cron", "/spec/template/spec/volumes/0/name", "\"setings\"", "there is no volume settings")]
    [InlineData(
        "Deployment cron",
        "/spec/template/spec/serviceAccountName",
        "\"wak\"",
        "there is no ServiceAccount wak"
    )]
    [InlineData("StatefulSet runner", "/spec/serviceName", "\"runners\"", "there is no Service runners")]
    [InlineData(
        "PodDisruptionBudget runner",
        "/spec/selector/matchLabels/app.kubernetes.io~1component",
        "\"runners\"",
        "nothing is"
    )]
    [InlineData(
        "NetworkPolicy to-rabbitmq",
        "/spec/podSelector/matchExpressions/0/values/1",
        "\"runners\"",
        "nothing is"
    )]
    [InlineData("NetworkPolicy to-doors", "/spec/ingress/0/ports/0/port", "\"web\"", "has no port web")]
    [InlineData(
        "Ingress wake",
        "/spec/rules/0/http/paths/0/backend/service/name",
        "\"door\"",
        "there is no service door"
    )]
    [InlineData("ScaledObject runner", "/spec/scaleTargetRef/name", "\"runners\"", "there is no StatefulSet runners")]
    [InlineData(
        "TriggerAuthentication rabbitmq",
        "/spec/secretTargetRef/0/key",
        "\"MessageBus__Hosts\"",
        "Secret wake-runner has no MessageBus__Hosts"
    )]
    public async Task What_means_nothing_is_found(string name, string path, string value, string problem) =>
        Assert.Contains(
            new KubernetesReferences(await Broken(name, path, value)).Broken(),
            x => x.Contains(problem, StringComparison.Ordinal)
        );

    [Theory]
    [InlineData("ConfigMap wake-settings", "/data/Runner__Slotss", "\"4\"", "Runner__Slotss")]
    [InlineData("ConfigMap wake-settings", "/data/Runner__Slots", "\"four\"", "Runner__Slots")]
    [InlineData(
        "ConfigMap wake-settings",
        "/data/Profiles__default__QuitWindow",
        "\"1\"",
        "Profiles__default__QuitWindow"
    )]
    [InlineData("Secret wake-gateway", "/stringData/Gateway__ApiKey", "\"k\"", "Gateway__ApiKey")]
    [InlineData("StatefulSet runner", "/spec/template/spec/containers/0/env/1/name", "\"Runner__Nme\"", "Runner__Nme")]
    public async Task A_setting_that_nobody_reads_is_found(string name, string path, string value, string setting) =>
        Assert.Contains(setting, Unread(await Broken(name, path, value)));

    static async Task<IReadOnlyList<JsonNode>> Rendered(string overlay) =>
        [
            .. await Read(Path.Combine(Folder, "overlays", overlay)),
            .. await Read(Path.Combine(Folder, "secrets.example.yaml")),
        ];

    // A file of them, or a folder with a kustomization. Parsed anew for each test, which may break them.
    static async Task<IEnumerable<JsonNode>> Read(string path) =>
        JsonNode
            .Parse(
                await Texts.GetOrAdd(
                    path,
                    _ =>
                        Node.Run(
                            Path.Combine(Repository.Root, "tests/Support/kustomize.js"),
                            "",
                            new Dictionary<string, string>(),
                            path
                        )
                )
            )!
            .AsArray()
            .Select(x => x!);

    static async Task<IEnumerable<(JsonNode Item, JsonNode Spec)>> OurPods(string overlay) =>
        from item in new KubernetesReferences(await Rendered(overlay)).Workloads
        let pod = KubernetesReferences.Pod(item)!
        where (string)pod["metadata"]!["labels"]!["app.kubernetes.io/name"]! == "wake"
        select (item, pod["spec"]!);

    static async Task<IReadOnlyList<string>> Wrong(IReadOnlyList<JsonNode> objects)
    {
        var verdicts = JsonSerializer.Deserialize<string?[]>(
            await Node.Run(
                Path.Combine(Repository.Root, "tests/Support/kubernetes.js"),
                JsonSerializer.Serialize(objects),
                new Dictionary<string, string>()
            )
        )!;
        return
        [
            .. objects
                .Zip(verdicts)
                .Where(x => x.Second is not null)
                .Select(x => $"{KubernetesReferences.Called(x.First)}: {x.Second}"),
        ];
    }

    static async Task<IReadOnlyList<JsonNode>> Broken(string name, string path, string value)
    {
        var objects = await Rendered("production");
        var steps = path.Split('/')[1..].Select(x => x.Replace("~1", "/")).ToList();
        var parent = steps[..^1]
            .Aggregate(
                objects.Single(x => KubernetesReferences.Called(x) == name),
                (at, step) => at is JsonArray list ? list[int.Parse(step, null)]! : at[step]!
            );

        if (parent is JsonArray array)
            array[int.Parse(steps[^1], null)] = JsonNode.Parse(value);
        else
            parent[steps[^1]] = JsonNode.Parse(value);
        return objects;
    }

    // Settings as files and as variables: what no class of options takes, with that value, is read by nobody.
    static IEnumerable<string> Unread(IReadOnlyList<JsonNode> objects)
    {
        var files =
            from item in objects
            where
                KubernetesReferences.Called(item)
                    is "ConfigMap wake-settings"
                        or "Secret wake-coordinator"
                        or "Secret wake-gateway"
                        or "Secret wake-runner"
                        or "Secret wake-github"
                        or "Secret wake-webhooks"
                        or "Secret wake-cron"
                        or "Secret wake-notifier"
                        or "Secret wake-migrate"
            from entry in (item["data"] ?? item["stringData"])!.AsObject()
            select (entry.Key, Value: (string?)entry.Value);
        var variables =
            from item in new KubernetesReferences(objects).Workloads
            from container in KubernetesReferences.Pod(item)!["spec"]!["containers"]!.AsArray()
            from variable in container!["env"]?.AsArray() ?? []
            where ((string)variable!["name"]!).Contains("__", StringComparison.Ordinal)
            select (Key: (string)variable["name"]!, Value: (string?)variable["value"]);

        return files
            .Concat(variables)
            .Where(x => !IsRead(string.Join(':', x.Key.Split("__").Select(Spelt)), x.Value))
            .Select(x => x.Key);
    }

    // The binder, when it looks for what it does not know, forgets that a property may have another name in the
    // configuration.
    static string Spelt(string name) => Named.GetValueOrDefault(name, name);

    static bool IsRead(string key, string? value)
    {
        if (
            key == $"ConnectionStrings:{Postgres.ConnectionStringName}"
            || key.StartsWith("Logging:LogLevel:", StringComparison.Ordinal)
        )
            return true;

        var settings = new ConfigurationBuilder().AddInMemoryCollection([new(key, value)]).Build();
        return Options.Any(x =>
        {
            try
            {
                return key.StartsWith($"{x.Section}:", StringComparison.Ordinal)
                    && settings.GetSection(x.Section).Get(x.Type, binder => binder.ErrorOnUnknownConfiguration = true)
                        is not null;
            }
            catch (InvalidOperationException)
            {
                return false;
            }
        });
    }

    static IReadOnlyList<Type> Types { get; } =
    [
        .. typeof(Wake.Standalone.StandaloneHost)
            .Assembly.GetReferencedAssemblies()
            .Where(x => x.Name!.StartsWith("Wake.", StringComparison.Ordinal))
            .SelectMany(x => Assembly.Load(x).GetTypes()),
    ];

    static IReadOnlyList<(string Section, Type Type)> Options { get; } =
    [
        .. from type in Types
        let section = type.GetField("Section", BindingFlags.Public | BindingFlags.Static)
        where section is { IsLiteral: true } && !type.IsAbstract
        select ((string)section.GetRawConstantValue()!, type),
    ];

    static Dictionary<string, string> Named { get; } =
        (
            from property in Types.SelectMany(x => x.GetProperties())
            let name = property.GetCustomAttribute<ConfigurationKeyNameAttribute>()
            where name is not null
            select KeyValuePair.Create(name.Name, property.Name)
        ).ToDictionary();
}
