using System.Text.Json;
using Wake.Offline;
using Wake.Testing;
using Wake.Tests.HouseRules;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

/// <summary>The examples as they are shipped each wake a session of the real CLI.</summary>
[Trait("Starts", "processes")]
public sealed class PublishingFromAnyLanguage : IAsyncLifetime
{
    const string Key = "implementer",
        Parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    static readonly string Examples = Path.Combine(Repository.Root, "deploy", "examples");

    MessagesApi api = null!;
    WakeSystem wake = null!;
    Dictionary<string, string> environment = [];

    public async Task InitializeAsync()
    {
        api = await MessagesApi.Start();
        wake = await WakeSystem.Start(
            Transport.RabbitMq,
            new Dictionary<string, string>
            {
                ["ANTHROPIC_BASE_URL"] = api.Url,
                ["ANTHROPIC_API_KEY"] = "sk-test-0123456789",
                ["Claude__Executable"] = RealClaude.Executable(RealClaude.Current),
            }
        );
        environment = new(wake.Here)
        {
            ["AMQP_URL"] = new UriBuilder(wake.Broker!) { Scheme = "amqp" }.Uri.ToString(),
            ["TRACEPARENT"] = Parent,
        };
        await wake.Session(key: Key);
        await wake.Watch(Key, "build:hello/972");
    }

    public async Task DisposeAsync()
    {
        await wake.DisposeAsync();
        await api.DisposeAsync();
    }

    [Fact]
    public async Task With_curl()
    {
        var answer = await ExternalProgram.Run(
            Path.Combine(Examples, "publish.sh"),
            await File.ReadAllTextAsync(Path.Combine(Examples, "event.json")),
            environment
        );

        Assert.Equal("routed", JsonElement.Parse(answer).GetProperty("outcome").GetString());
        await Wakes("The build of #972 failed: 3 tests");
    }

    [Fact]
    public async Task With_Node_and_its_trace()
    {
        await Node.Run(
            Path.Combine(Examples, "publish.js"),
            "",
            environment,
            "build:hello/972",
            "Node says: \"it's done\""
        );

        await Wakes("Node says: \"it's done\"");
        Assert.Equal(Parent, await wake.Scalar<string>("select traceparent from events where source = 'example:node'"));
    }

    [Fact]
    public async Task With_dotnet()
    {
        await ExternalProgram.Run(
            "dotnet",
            "",
            environment,
            "run",
            Path.Combine(Examples, "publish.cs"),
            "build:hello/972",
            "dotnet says so"
        );

        await Wakes("dotnet says so");
    }

    async Task Wakes(string reason)
    {
        Assert.Equal([reason], (await wake.WaitForTurnEnd(Key, 1)).Reasons);
        await api.Next(x => x.IsInTail(reason[^8..]));
    }
}
