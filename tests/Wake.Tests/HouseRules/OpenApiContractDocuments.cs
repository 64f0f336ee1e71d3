using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Wake.Tests.Support;

namespace Wake.Tests.HouseRules;

/// <summary>
/// The HTTP API that clients rely on is <c>shared/Wake.Contracts/openapi.json</c>. After an additive change
/// <c>WAKE_WRITE_CONTRACTS=1 dotnet test tests/Wake.Tests --filter ContractDocuments</c> writes it anew and fails once
/// more. It does not write a breaking one: <c>WAKE_WRITE_CONTRACTS=breaking</c> does, once the rule in docs/http-api.md
/// has been kept.
/// </summary>
[Trait("Starts", "processes")]
public sealed class OpenApiContractDocuments(StandaloneSystem shared) : IClassFixture<StandaloneSystem>
{
    const string Name = "shared/Wake.Contracts/openapi.json";

    [Fact]
    public async Task The_HTTP_API_is_what_was_promised()
    {
        var file = Path.Combine(Repository.Root, Name);
        var now = (await shared.System.Http.GetFromJsonAsync<JsonObject>("/openapi/v1.json"))!;

        // The address of this run.
        now.Remove("servers");
        var text = EventSchema.Text(now);
        var before = File.Exists(file) ? await File.ReadAllTextAsync(file) : "{}";
        if (before == text)
            return;

        var changes = OpenApiComparison.Compare((JsonObject)JsonNode.Parse(before)!, now);
        var isWanted = Environment.GetEnvironmentVariable("WAKE_WRITE_CONTRACTS") switch
        {
            "breaking" => true,
            "1" => !changes.Any(x => x.IsBreaking),
            _ => false,
        };
        if (isWanted)
            await File.WriteAllTextAsync(file, text);

        Assert.Fail(
            $"{OpenApiComparison.Explain(changes, Name)}\n"
                + (isWanted ? $"{Name} is written. Read the diff and run the tests again." : "")
        );
    }
}
