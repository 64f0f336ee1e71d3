using System.Text.Json;
using Wake.Contracts;
using Wake.Producers.Webhooks;
using Wake.Producing;
using Wake.Tests.HouseRules;

namespace Wake.Tests.Producing;

/// <summary>One of the real payloads, and what is expected of it.</summary>
sealed record Payload(JsonElement Entry)
{
    const string Delivery = "72d3162e-cc78-11e3-81ab-4c9367dc0958";

    static readonly string Folder = Path.Combine(Repository.Root, "tests/Wake.Tests/Producing/Payloads");

    static readonly JsonElement Expectations = JsonElement.Parse(
        System.IO.File.ReadAllBytes(Path.Combine(Folder, "expected.json"))
    );

    public static string Secret => Expectations.Text("secret")!;

    public static IReadOnlyList<Payload> All { get; } =
    [
        .. Expectations
            .Items("entries")
            .Concat(Expectations.Items("otherForges"))
            .Where(x => x.Has("expected"))
            .Select(x => new Payload(x)),
    ];

    public static IEnumerable<Payload> Webhooks =>
        All.Where(x => x.File.StartsWith("webhooks/", StringComparison.Ordinal));

    public static IEnumerable<Payload> OtherForges =>
        All.Where(x => x.File.StartsWith("other-forges/", StringComparison.Ordinal));

    public string File => Entry.Text("file")!;

    public byte[] Bytes => System.IO.File.ReadAllBytes(Path.Combine(Folder, File));

    public JsonElement Json => JsonElement.Parse(Bytes);

    public JsonElement Expected => Entry.At("expected");

    /// <summary>Who sent it, by the file's name.</summary>
    public IWebhookProvider Sender =>
        Path.GetFileName(File).Split('.')[0] switch
        {
            "forgejo" => WebhookProviders.Create(new() { Sender = WebhookProviderKind.Forgejo }),
            "gitea" => WebhookProviders.Create(new() { Sender = WebhookProviderKind.Gitea }),
            "gitlab" => WebhookProviders.Create(new() { Sender = WebhookProviderKind.GitLab }),
            _ => new Producers.GitHub.GitHubWebhookProvider(),
        };

    public static Payload Of(string file) => All.Single(x => x.File == file);

    public static byte[] Read(string file) => System.IO.File.ReadAllBytes(Path.Combine(Folder, file));

    /// <summary>The headers it came with.</summary>
    public Dictionary<string, string> Headers()
    {
        var headers = Entry.At("headers") is { ValueKind: JsonValueKind.Object } given
            ? given.EnumerateObject().ToDictionary(x => x.Name, x => x.Value.GetString()!)
            : [];
        if (Entry.Text("event") is { } name)
            headers["X-GitHub-Event"] = name;
        if (Entry.Text("signature256") is { } signature)
            headers["X-Hub-Signature-256"] = signature;
        headers["X-GitHub-Delivery"] = headers["X-Gitea-Delivery"] = Delivery;
        headers["Content-Type"] = Entry.Text("contentType") ?? "application/json";
        return headers;
    }

    public WebhookRequest Request(byte[]? body = null) => new("test", Headers(), body ?? Bytes);

    /// <summary>Compares what came of it with one expectation.</summary>
    public static void Check(JsonElement expected, EventMapping mapped)
    {
        if (expected.Text("outcome") == "ignored")
        {
            Assert.Equal((expected.Text("why"), 0), (mapped.IgnoredReason, mapped.Events.Count));
            if (expected.Text("hint") == "ci")
                Assert.Equal(expected.Text("subject"), mapped.RepollSubject);
            return;
        }

        Assert.Null(mapped.IgnoredReason);
        var events = expected.Has("events") ? expected.Items("events").ToList() : [expected];
        Assert.Equal(events.Select(x => x.Text("type")), mapped.Events.Select(x => x.Type));
        Assert.All(events.Zip(mapped.Events), x => Check(x.First, x.Second));
    }

    static void Check(JsonElement expected, ExternalEventObserved observed)
    {
        Assert.Equal(
            (expected.Text("type"), expected.Text("subject"), expected.Text("dedupKey")),
            (observed.Type, observed.Subject, observed.DedupKey)
        );
        Assert.Equal(expected.Items("related").Select(x => x.GetString()), observed.Related ?? []);
        foreach (
            var (field, value) in expected.At("data") is { ValueKind: JsonValueKind.Object } data
                ? data.EnumerateObject().Select(x => (x.Name, x.Value.GetString()))
                : []
        )
            Assert.Equal(value, observed.Data!.Value.Text(field));
    }
}
