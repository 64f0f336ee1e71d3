using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Configuration;
using Wake.Contracts;
using Wake.ServiceDefaults;
using Wake.Standalone;
using Wake.Testing;
using Wake.Tests.Producing;
using Wake.Tests.Support;

namespace Wake.Tests.HouseRules;

/// <summary>
/// What programs in other languages are promised, and the references of settings and commands, as files. After a change
/// that is meant, <c>WAKE_WRITE_CONTRACTS=1 dotnet test tests/Wake.Tests --filter ContractDocuments</c> writes them
/// anew and fails once more.
/// </summary>
public sealed class ContractDocuments
{
    static readonly string Folder = Path.Combine(Repository.Root, "shared", "Wake.Contracts");

    [Theory]
    [InlineData("shared/Wake.Contracts/event.schema.json")]
    [InlineData("shared/Wake.Contracts/asyncapi.json")]
    [InlineData("deploy/wake.schema.json")]
    [InlineData("docs/configuration.md")]
    [InlineData("docs/cli.md")]
    public void Say_what_the_code_says(string name)
    {
        var file = Path.Combine(Repository.Root, name);
        var now = Path.GetFileName(name) switch
        {
            "asyncapi.json" => EventSchema.AsyncApi(),
            "event.schema.json" => EventSchema.Event(),
            "configuration.md" => ConfigurationPage.Text(),
            "cli.md" => CommandPage.Text(),
            _ => SettingsSchema.Settings(),
        };

        if (
            Environment.GetEnvironmentVariable("WAKE_WRITE_CONTRACTS") is "1"
            && (!File.Exists(file) || File.ReadAllText(file) != now)
        )
        {
            File.WriteAllText(file, now);
            Assert.Fail($"{file} is written. Read the diff and run the tests again.");
        }

        Assert.Equal(File.ReadAllText(file), now);
    }

    [Fact]
    public async Task The_schema_allows_what_Wake_takes_and_refuses_what_it_refuses()
    {
        const string good = """{"id":"i","source":"s","type":"t","subject":"s","reason":"r"}""";
        string[] others =
        [
            good,
            With(good, "data", "[1,{\"a\":null}]"),
            With(good, "related", "[\"a\",\"b\"]"),
            With(good, "urgent", "true"),
            With(good, "delivery", "\"ambient\""),
            With(good, "time", "\"2026-11-21T09:00:00Z\""),
            With(good, "expires", "\"2026-11-21T09:00:00+01:00\""),
            With(good, "reason", JsonSerializer.Serialize(new string('r', 4096))),
            "null",
            "[]",
            "42",
            "{}",
            """{"id":"i"}""",
            With(good, "id", "\"\""),
            With(good, "id", "\" \""),
            With(good, "id", "\"a\\u0000b\""),
            With(good, "delivery", "\"later\""),
            With(good, "delivery", "1"),
            With(good, "urgent", "\"yes\""),
            With(good, "expires", "\"yesterday\""),
            With(good, "related", "\"a\""),
            With(good, "related", "[\"\"]"),
            With(good, "sessions", "[{}]"),
            With(good, "subject", JsonSerializer.Serialize(new string('s', 513))),
            With(good, "type", JsonSerializer.Serialize(new string('t', 257))),
            With(good, "related", JsonSerializer.Serialize(Enumerable.Repeat("r", 101))),
        ];

        var verdicts = await Verdicts(Path.Combine(Folder, "event.schema.json"), others);

        Assert.Equal(
            others.Select(x =>
                (x, EventJson.TryParse(Encoding.UTF8.GetBytes(x), out var observed, out _) && observed.Warnings is null)
            ),
            others.Zip(verdicts, (text, verdict) => (text, verdict is null))
        );
    }

    [Fact]
    public async Task The_schema_of_settings_allows_what_wake_config_check_allows_and_refuses_what_it_refuses()
    {
        string[] files =
        [
            Plain("deploy/settings.json"),
            Plain("deploy/examples/wake.json"),
            "{}",
            """{"$schema":"wake.schema.json","Logging":{"LogLevel":{"Default":"Debug"}}}""",
            """{"Profiles":{"default":{"DayBudgetUsd":5,"AllowedTools":["Bash"],"QuietWindow":"00:00:05","Questions":"Off"}}}""",
            """{"Runner":{"Slots":2,"WarmFor":"00:10:00"},"Claude":{"Environment":{"ANY":"thing"}}}""",
            """{"Breakers":{"All":{"UsdPerDay":100},"Sources":[{"Source":"ci","EventsPerMinute":300}]}}""",
            """{"Cron":{"nightly":{"Expression":"30 4 * * *","Sessions":["a"],"Reason":"r"}}}""",
            """{"Profiles":{"default":{"DayBudget":5}}}""",
            """{"Runner":{"Slotz":3}}""",
            """{"Runer":{"Slots":3}}""",
            """{"Profiles":{"default":{"DayBudgetUsd":"five"}}}""",
            """{"Profiles":{"default":{"AllowedTools":"Bash"}}}""",
            """{"Profiles":{"default":{"Questions":"Never"}}}""",
            """{"Runner":{"WarmFor":"soon"}}""",
            """{"Runner":{"Slots":{"Max":3}}}""",
        ];
        using var folder = new TemporaryFolder();
        var sections = StandaloneHost.Sections;
        var checks = files
            .Select(file =>
            {
                File.WriteAllText(folder.File("wake.json"), file);
                return !SettingsValidation
                    .FindProblems(new ConfigurationBuilder().AddJsonFile(folder.File("wake.json")).Build(), sections)
                    .Any();
            })
            .ToList();

        var verdicts = await Verdicts(Path.Combine(Repository.Root, "deploy/wake.schema.json"), files);

        Assert.Equal(8, checks.Count(x => x));
        Assert.Equal(files.Zip(checks), files.Zip(verdicts, (file, verdict) => (file, verdict is null)));

        static string Plain(string path) =>
            JsonNode
                .Parse(
                    File.ReadAllText(Path.Combine(Repository.Root, path)),
                    documentOptions: new() { CommentHandling = JsonCommentHandling.Skip }
                )!
                .ToJsonString();
    }

    [Fact]
    public async Task Every_event_of_the_recorded_deliveries_is_allowed()
    {
        var written = Payload
            .Webhooks.Concat(Payload.OtherForges)
            .SelectMany(x => x.Sender.Map(x.Request()).Events)
            .Select(x => Encoding.UTF8.GetString(EventJson.Serialize(x)))
            .ToList();

        Assert.True(written.Count > 20);
        Assert.All(await Verdicts(Path.Combine(Folder, "event.schema.json"), written), Assert.Null);
    }

    [Fact]
    public async Task The_description_of_the_broker_is_AsyncAPI()
    {
        var rules = Path.Combine(Node.Packages, "@asyncapi", "specs", "schemas", "3.0.0.json");
        var document = File.ReadAllText(Path.Combine(Folder, "asyncapi.json"));
        var wrong = document.Replace("\"receive\"", "\"hear\"");

        var verdicts = await Verdicts(rules, [document, wrong]);

        Assert.Null(verdicts[0]);
        Assert.NotNull(verdicts[1]);
    }

    static string With(string json, string name, string value)
    {
        var changed = JsonNode.Parse(json)!.AsObject();
        changed[name] = JsonNode.Parse(value);
        return changed.ToJsonString();
    }

    // Null for what the schema allows, else what is wrong with it.
    static async Task<string?[]> Verdicts(string schema, IReadOnlyList<string> documents) =>
        JsonSerializer.Deserialize<string?[]>(
            await Node.Run(
                Path.Combine(Repository.Root, "tests/Support/validate.js"),
                $"[{string.Join(',', documents)}]",
                new Dictionary<string, string>(),
                schema
            )
        )!;
}
