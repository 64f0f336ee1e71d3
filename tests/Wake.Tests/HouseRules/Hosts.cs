using System.Net;
using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;
using Wake.ServiceDefaults;
using Wake.Tests.Support;

namespace Wake.Tests.HouseRules;

/// <summary>Every process starts from its settings alone, and a wrong setting is a sentence at the start.</summary>
[Trait("Starts", "processes")]
public sealed partial class Hosts
{
    [Theory]
    [InlineData("Wake.Coordinator", Transport.RabbitMq)]
    [InlineData("Wake.Runner", Transport.RabbitMq)]
    [InlineData("Wake.Gateway", Transport.RabbitMq)]
    [InlineData("Wake.Producers.Cron", Transport.RabbitMq)]
    [InlineData("Wake.Producers.GitHub", Transport.RabbitMq)]
    [InlineData("Wake.Producers.Webhooks", Transport.RabbitMq)]
    [InlineData("Wake.Notifier", Transport.InMemory)]
    [InlineData("Wake.Standalone", Transport.InMemory)]
    public async Task Build_with_a_container_that_is_checked(string service, Transport transport)
    {
        await using var system = await WakeSystem.Create(transport);

        // In this environment the container is built eagerly and its lifetimes are checked.
        await system.StartProcess(
            service,
            new Dictionary<string, string> { ["ASPNETCORE_ENVIRONMENT"] = "Development" }
        );
    }

    // Ready means that its API answers.
    [Fact]
    public async Task Build_a_console_beside_its_gateway()
    {
        await using var system = await WakeSystem.Start(Transport.InMemory);

        await system.StartProcess(
            "Wake.Console",
            new Dictionary<string, string>
            {
                ["ASPNETCORE_ENVIRONMENT"] = "Development",
                ["Console__GatewayUrl"] = $"{system.Http.BaseAddress}",
            }
        );
    }

    [Theory]
    [InlineData("Wake.Coordinator", "MessageBus__Host", "http://localhost", "rabbitmq:// and loopback:// are known")]
    [InlineData("Wake.Coordinator", "MessageBus__Host", "", "MessageBus__Host")]
    [InlineData("Wake.Coordinator", "ConnectionStrings__Wake", "", "Set ConnectionStrings__Wake")]
    [InlineData("Wake.Coordinator", "Coordinator__RepeatAfter", "-00:00:01", "RepeatAfter must be positive")]
    [InlineData("Wake.Coordinator", "Coordinator__IntakeBatchSize", "0", "IntakeBatchSize")]
    [InlineData("Wake.Coordinator", "Profiles__default__MaxWait", "00:00:00.1", "MaxWait must not be shorter")]
    [InlineData("Wake.Coordinator", "Breakers__OpenFor", "00:00:00", "OpenFor must be positive")]
    [InlineData("Wake.Coordinator", "Breakers__All__UsdPerDay", "0", "Breakers:All: UsdPerDay must be positive")]
    [InlineData("Wake.Coordinator", "Breakers__Routes__ci__TurnsPerHour", "0", "Breakers:Routes:ci: TurnsPerHour must")]
    [InlineData(
        "Wake.Coordinator",
        "Breakers__Profiles__own__EachSession__ChainDepth",
        "0",
        "Breakers:Profiles:own:EachSession: ChainDepth must be positive"
    )]
    [InlineData("Wake.Coordinator", "Breakers__Sources__0__TurnsPerHour", "1", "each needs its Source")]
    [InlineData("Wake.Runner", "Runner__Slots", "0", "Slots")]
    [InlineData("Wake.Runner", "Runner__Lease", "00:00:00.1", "Lease must be at least a second")]
    [InlineData("Wake.Runner", "Claude__KillAfter", "1.00:00:00", "KillAfter must be positive and shorter")]
    [InlineData("Wake.Runner", "Runner__PauseRetryAfter", "00:00:00", "PauseRetryAfter must be positive")]
    [InlineData("Wake.Runner", "Profiles__default__MaxTurns", "0", "MaxTurns must be positive")]
    [InlineData("Wake.Coordinator", "Profiles__own__QuietWindow", "soon", "'soon' at 'Profiles:own:QuietWindow'")]
    [InlineData("Wake.Runner", "Profiles__own__MaxBudgetUsd", "5 USD", "'5 USD' at 'Profiles:own:MaxBudgetUsd'")]
    [InlineData("Wake.Runner", "Prompts__Folder", "/nowhere", "Prompts:Folder: /nowhere is not a directory")]
    [InlineData("Wake.Runner", "Profiles__default__DayBudgetUsd", "0", "DayBudgetUsd must be positive")]
    [InlineData("Wake.Runner", "Profiles__default__IdleTimeout", "00:00:00", "IdleTimeout must be positive")]
    [InlineData("Wake.Gateway", "Prompts__Folder", "/nowhere", "Prompts:Folder: /nowhere is not a directory")]
    [InlineData("Wake.Gateway", "Gateway__ApiKeys__0", "short", "shorter than 16 characters")]
    [InlineData("Wake.Producers.GitHub", "GitHub__WebhookSecrets__0", " ", "WebhookSecrets must not hold an empty one")]
    [InlineData(
        "Wake.Producers.GitHub",
        "GitHub__Accounts__main__Host",
        "github.com",
        "GitHub:Accounts:main: set either Token or AppId"
    )]
    [InlineData(
        "Wake.Producers.GitHub",
        "GitHub__Webhooks__acme__Secrets__0",
        "x",
        "GitHub:Webhooks:acme: Repositories says whose events it may tell"
    )]
    [InlineData("Wake.Producers.GitHub", "MessageBus__Host", "", "MessageBus__Host")]
    [InlineData("Wake.Producers.GitHub", "Proxies__Known__0", "here", "Proxies:Known: 'here' is neither an address")]
    [InlineData("Wake.Gateway", "Proxies__Known__0", "10.0.0.0/33", "is neither an address")]
    [InlineData("Wake.Coordinator", "Coordinator__TrustedExchanges__0", "wake.events", "'wake.events' is everybody's")]
    [InlineData(
        "Wake.Producers.Webhooks",
        "Webhooks__Hooks__lab__Sender",
        "GitLab",
        "Webhooks:Hooks:lab: Secrets needs at least one"
    )]
    [InlineData(
        "Wake.Producers.Webhooks",
        "Webhooks__Hooks__lab__Secrets__0",
        "token",
        "Webhooks:Hooks:lab: Sender is not set"
    )]
    [InlineData(
        "Wake.Producers.Webhooks",
        "Webhooks__Hooks__lab__Sender",
        "GitLob",
        "'GitLob' at 'Webhooks:Hooks:lab:Sender'"
    )]
    [InlineData("Wake.Producers.Cron", "Cron__nightly__CatchUp", "Sometimes", "'Sometimes' at 'Cron:nightly:CatchUp'")]
    [InlineData("Wake.Producers.Cron", "Cron__nightly__Expression", "61 * * * *", "Cron:nightly: Expression: ")]
    [InlineData("Wake.Producers.Cron", "Cron__nightly__TimeZone", "Europe/Nowhere", "knows none called Europe/Nowhere")]
    [InlineData("Wake.Gateway", "Local__Socket", "here.sock", "Local:Socket must be an absolute path")]
    [InlineData("Wake.Coordinator", "OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "_ENDPOINT is no http or https")]
    [InlineData("Wake.Runner", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "nowhere", "_LOGS_ENDPOINT is no http or https")]
    [InlineData("Wake.Standalone", "Runner__Slots", "0", "A setting is wrong")]
    [InlineData(
        "Wake.Runner",
        "Profiles__default__DayBudget",
        "5",
        "Profiles:default:DayBudget is no setting of Wake's; DayBudgetUsd is."
    )]
    [InlineData("Wake.Runner", "Profiles__default__Ceiling", "00:00:15", "default:Ceiling is called MaxWait now.")]
    [InlineData("Wake.Coordinator", "Profiles__default__DayBudget", "5", "DayBudgetUsd is.")]
    [InlineData("Wake.Gateway", "Profiles__default__DayBudget", "5", "DayBudgetUsd is.")]
    [InlineData("Wake.Runner", "Runner__Slotz", "3", "Runner:Slotz is no setting of Wake's; Slots is.")]
    [InlineData("Wake.Runner", "Runner__Slots__0", "3", "Runner:Slots is one value")]
    [InlineData("Wake.Runner", "Profiles__default__AllowedTools", "Bash", "write Profiles:default:AllowedTools:0")]
    [InlineData(
        "Wake.Runner",
        "Profiles__default__AllowedTools__first",
        "Bash",
        "Profiles:default:AllowedTools is a list"
    )]
    [InlineData("Wake.Runner", "Claude__Environment", "A=b", "write Claude:Environment:NAME")]
    [InlineData(
        "Wake.Runner",
        "Profile__default__DayBudgetUsd",
        "5",
        "Profile__default in the environment is no setting of Wake's; the section is Profiles."
    )]
    [InlineData("Wake.Standalone", "Runer__Slots", "3", "the section is Runner")]
    [InlineData("Wake.Gateway", "Gateway__ApiKey", "a key of sixteen letters", "ApiKeys is")]
    [InlineData(
        "Wake.Producers.GitHub",
        "GitHub__Accounts__main__Tokn",
        "x",
        "GitHub:Accounts:main:Tokn is no setting of Wake's; Token is."
    )]
    [InlineData(
        "Wake.Producers.Webhooks",
        "Webhooks__Hooks__lab__Secret__0",
        "x",
        "Webhooks:Hooks:lab:Secret is no setting of Wake's; Secrets is."
    )]
    [InlineData("Wake.Producers.Cron", "Cron__nightly__Expresion", "* * * * *", "Expression is")]
    [InlineData("Wake.Coordinator", "Routes__builds__Sesion", "x", "Session is")]
    [InlineData("Wake.Console", "Console__GatewayUrl", "", "Set Console__GatewayUrl")]
    [InlineData("Wake.Console", "Console__GatewayUrl", "gateway:8080", "must be an address like http")]
    [InlineData("Wake.Console", "Console__PathBase", "wake", "must begin with a /")]
    [InlineData("Wake.Console", "Console__Gateway", "x", "GatewayUrl is")]
    [InlineData("Wake.Notifier", "Notifications__phone__Topic", "x", "Notifications:phone: Kind is not set")]
    [InlineData("Wake.Notifier", "Notifications__phone__Tipes__0", "x", "Types is")]
    public async Task Say_what_is_wrong_with_a_setting(string service, string setting, string value, string sentence)
    {
        await using var system = await WakeSystem.Create(
            service == "Wake.Standalone" ? Transport.InMemory : Transport.RabbitMq
        );

        var failure = await Assert.ThrowsAsync<InvalidOperationException>(() =>
            system.StartProcess(service, new Dictionary<string, string> { [setting] = value })
        );

        Assert.Contains(sentence, failure.Message);
    }

    [Fact]
    public async Task Take_what_others_have_put_into_the_environment()
    {
        await using var system = await WakeSystem.Create(Transport.InMemory);

        await system.StartProcess(
            "Wake.Standalone",
            new Dictionary<string, string>
            {
                ["RUNNER__SLOTS"] = "2",
                ["SOME_OTHER__PROGRAM__SETTING"] = "x",
                ["RUNNER_TEMP"] = "/tmp",
                ["CLAUDE_CODE__X"] = "y",
                ["Logging__LogLevel__Default"] = "Warning",
                ["Kestrel__Limits__MaxConcurrentConnections"] = "1000",
            }
        );
    }

    [Fact]
    public async Task Take_secrets_from_files()
    {
        using var folder = new TemporaryFolder();
        await using var system = await WakeSystem.Create(Transport.RabbitMq);
        await File.WriteAllTextAsync(folder.File("ConnectionStrings__Wake"), $"{system.ConnectionString}\n");
        await File.WriteAllTextAsync(folder.File("Gateway__ApiKeys__0"), "a key that is a file\n");
        await using var collector = await OtlpReceiver.Start();
        foreach (var (name, value) in collector.Environment)
            await File.WriteAllTextAsync(folder.File(name), $"{value}\n");

        await system.StartProcess(
            "Wake.Gateway",
            new Dictionary<string, string> { ["ConnectionStrings__Wake"] = "", ["WAKE_SECRETS"] = folder.Path }
        );

        system.Http.DefaultRequestHeaders.Authorization = null;
        Assert.Equal(HttpStatusCode.Unauthorized, (await system.Http.GetAsync("/v1/sessions")).StatusCode);
        system.Http.DefaultRequestHeaders.Authorization = new("Bearer", "a key that is a file");
        Assert.Equal(HttpStatusCode.OK, (await system.Http.GetAsync("/v1/sessions")).StatusCode);
        await collector.Span(x => x.Name.Contains("/v1/sessions"), "the question for sessions");
    }

    [Fact]
    public void Every_class_of_options_is_checked_at_the_start()
    {
        var sources = Repository
            .Sources("services")
            .Concat(Repository.Sources("shared"))
            .Select(File.ReadAllText)
            .ToList();
        var declared = sources.SelectMany(x => Options().Matches(x)).Select(x => x.Groups[1].Value).Distinct().ToList();

        Assert.NotEmpty(declared);
        Assert.All(
            declared,
            name =>
                Assert.Contains(
                    sources,
                    x =>
                        x.Contains($"AddValidatedOptions<{name}>(")
                        || x.Contains($"AddOptions<{name}>().BindConfiguration")
                )
        );
    }

    [Fact]
    public void A_section_of_the_settings_has_one_class()
    {
        var services = new ServiceCollection()
            .AddValidatedOptions<object>("Profiles")
            .AddValidatedOptions<object>("Profiles");

        Assert.Single(services.GetSettingsSections());
        Assert.Contains(
            "belongs to Object",
            Assert.Throws<InvalidOperationException>(() => services.AddValidatedOptions<string>("Profiles")).Message
        );
    }

    [GeneratedRegex(@"class (\w+)[^{]*IValidatableObject\b")]
    private static partial Regex Options();
}
