using System.Net.Mime;
using System.Text;
using System.Text.Json;
using CloudNative.CloudEvents;
using CloudNative.CloudEvents.Http;
using CloudNative.CloudEvents.SystemTextJson;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.AspNetCore.Http;
using StandardWebhooks;
using StandardWebhooks.Diagnostics;
using Wake.Contracts;
using Wake.Producers.Webhooks;
using Wake.Producing;

namespace Wake.Tests.Producing;

/// <summary>
/// The specifications' own packages as a second opinion: they and Wake take the same deliveries and read the same in
/// them. Where the two differ on purpose, a test of its own says why.
/// </summary>
public sealed class AgreeingWithOtherReaders
{
    const string Secret = "whsec_dGhlIHNlY3JldCBvZiB0aGlzIHRlc3QgYWxvbmU=";
    const string AnotherSecret = "whsec_YW5vdGhlciBzZWNyZXQgb2YgdGhpcyB0ZXN0IQ==";

    static readonly JsonEventFormatter Json = new();

    static readonly IWebhookProvider CloudEvents = WebhookProviders.Create(
        new() { Sender = WebhookProviderKind.CloudEvents }
    );

    // What is escaped somewhere, or several bytes long.
    static readonly Gen<string> Texts =
        from parts in Gen.Elements(
                "a",
                "Z",
                "7",
                ".",
                "/",
                ":",
                " ",
                "%",
                "%41",
                "\"",
                "\\",
                "+",
                ",",
                "ü",
                "€",
                "🚀",
                "\u00a0",
                "{",
                "<"
            )
            .ListOf()
        select $"x{string.Concat(parts.Take(40))}y";

    // What becomes of a signed delivery on its way.
    static readonly (string Name, Func<Signed, Signed> Change)[] Changes =
    [
        ("nothing", x => x),
        ("body", x => x with { Body = x.Body + " " }),
        ("body cut", x => x with { Body = x.Body[..^1] }),
        ("id", x => x with { Id = x.Id + "1" }),
        ("no id", x => x with { Id = "" }),
        ("time", x => x with { Timestamp = $"{long.Parse(x.Timestamp) + 1}" }),
        ("no time", x => x with { Timestamp = "" }),
        ("time in words", x => x with { Timestamp = "now" }),
        ("no signature", x => x with { Signature = "" }),
        ("signature cut", x => x with { Signature = x.Signature[..^1] }),
        ("other case", x => x with { Signature = x.Signature.ToUpperInvariant() }),
        ("other version", x => x with { Signature = $"v1a{x.Signature[2..]}" }),
        ("other key", x => x with { Signature = Sign(AnotherSecret, x) }),
        ("first of two", x => x with { Signature = $"{x.Signature} {Sign(AnotherSecret, x)}" }),
        (
            "second of three",
            x => x with { Signature = $"{Sign(AnotherSecret, x)} {x.Signature} v1a,{Sign(AnotherSecret, x)}" }
        ),
        ("two of another key", x => x with { Signature = $"{Sign(AnotherSecret, x)} {Sign(AnotherSecret, x)}" }),
    ];

    [Fact]
    public void On_which_deliveries_are_signed()
    {
        var answers = new HashSet<(string, bool)>();
        Prop.ForAll(
                Arb.From(
                    from id in Texts
                    from body in Texts
                    // Seconds, never near the limit of five minutes: both read a clock.
                    from age in Gen.Elements(0, 1, -1, 200, -200, 290, -290, 310, -310, 100_000, -100_000)
                    from change in Gen.Elements(Changes)
                    select (id, body, age, change)
                ),
                x =>
                {
                    var now = DateTimeOffset.UtcNow;
                    var unsigned = new Signed(x.id, $"{now.AddSeconds(-x.age).ToUnixTimeSeconds()}", x.body, "");
                    var sent = x.change.Change(unsigned with { Signature = Sign(Secret, unsigned) });

                    Assert.Equal(PackageAccepts(sent), WakeAccepts(sent, now));
                    answers.Add((x.change.Name, WakeAccepts(sent, now)));
                }
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(2000));

        Assert.Equal(
            ["first of two", "nothing", "second of three"],
            answers.Where(x => x.Item2).Select(x => x.Item1).Order()
        );
        Assert.Equal(Changes.Select(x => x.Name).Order(), answers.Where(x => !x.Item2).Select(x => x.Item1).Order());
    }

    // By the specification any signature of the list may be the right one. The package never looks at the last.
    [Fact]
    public void But_the_last_of_several_signatures_counts_too()
    {
        var sent = SignedNow();
        sent = sent with { Signature = $"{Sign(AnotherSecret, sent)} {sent.Signature}" };

        Assert.Equal((false, true), (PackageAccepts(sent), WakeAccepts(sent, DateTimeOffset.UtcNow)));
    }

    // A sender may add signatures of a kind that nobody knows yet.
    [Fact]
    public void But_a_signature_of_an_unknown_form_spoils_no_other()
    {
        var sent = SignedNow();
        sent = sent with { Signature = $"unknown {sent.Signature} v1a,x" };

        Assert.Equal((false, true), (PackageAccepts(sent), WakeAccepts(sent, DateTimeOffset.UtcNow)));
    }

    // Each costs a comparison, and whoever sends a hundred is no sender.
    [Fact]
    public void But_only_the_first_twenty_signatures_are_looked_at()
    {
        var sent = SignedNow();
        var others = string.Join(' ', Enumerable.Repeat("v1,x", 20));
        sent = sent with { Signature = $"{others} {sent.Signature} v1,x" };

        Assert.Equal((true, false), (PackageAccepts(sent), WakeAccepts(sent, DateTimeOffset.UtcNow)));
    }

    [Fact]
    public void On_what_a_CloudEvent_says()
    {
        var modes = new HashSet<string>();
        Prop.ForAll(
                Arb.From(
                    from mode in Gen.Elements("structured", "binary", "batch")
                    from id in Texts
                    from source in Gen.Elements("/ci", "https://ci.example/b?c=d#e", "urn:ci:7", "ci", "/a%20b", "/ü")
                    from type in Texts
                    from subject in Texts.OrNull()
                    from seconds in Gen.Choose(0, 2_000_000_000)
                    from offset in Gen.Choose(-12, 14)
                    from data in Gen.OneOf(
                        Gen.Constant<(string?, object?)>((null, null)),
                        Texts.Select(x => ((string?)"text/plain", (object?)x)),
                        Texts.Select(x => ((string?)"application/octet-stream", (object?)Encoding.UTF8.GetBytes(x))),
                        from name in Texts
                        from value in Texts
                        select (
                            (string?)"application/json",
                            (object?)new Dictionary<string, object> { [name] = value, ["n"] = new[] { 1.5, -2 } }
                        )
                    )
                    select (mode, id, source, type, subject, seconds, offset, data)
                ),
                x =>
                {
                    var made = new CloudEvent
                    {
                        Id = x.id,
                        Source = new(x.source, UriKind.RelativeOrAbsolute),
                        Type = x.type,
                        Subject = x.subject,
                        Time = DateTimeOffset.FromUnixTimeSeconds(x.seconds).ToOffset(TimeSpan.FromHours(x.offset)),
                        DataContentType = x.data.Item1,
                        Data = x.data.Item2,
                    };
                    using var sent = x.mode is "batch"
                        ? new[] { made }.ToHttpContent(Json)
                        : made.ToHttpContent(x.mode is "binary" ? ContentMode.Binary : ContentMode.Structured, Json);

                    var ours = Assert.Single(CloudEvents.Map(Request(sent)).Events);
                    var theirs = PackageReads(sent, x.mode is "batch");

                    Assert.Equal(
                        (theirs.Id, $"{theirs.Source}", theirs.Type, theirs.Subject ?? $"{theirs.Source}", theirs.Time),
                        (ours.Id, ours.Source, ours.Type, ours.Subject, ours.Time)
                    );
                    Assert.Equal(DataText(theirs), DataText(ours));
                    modes.Add($"{x.mode} {x.data.Item1}");
                }
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(2000));
        Assert.Equal(12, modes.Count);
    }

    [Theory]
    [InlineData("""{"specversion":"1.0","id":"1","source":"/ci","type":"t"}""", true)]
    [InlineData("""{"specversion":"1.0","id":"1","source":"/ci","type":"t","subject":null,"data":null}""", true)]
    [InlineData("""{"specversion":"1.0","id":"1","source":"/ci","type":"t","more":"x","evenmore":true}""", true)]
    [InlineData("""{"specversion":"1.0","id":"1","source":"/ci"}""", false)]
    [InlineData("""{"specversion":"1.0","id":"1","type":"t"}""", false)]
    [InlineData("""{"specversion":"1.0","source":"/ci","type":"t"}""", false)]
    [InlineData("""{"specversion":"1.0","id":"","source":"/ci","type":"t"}""", false)]
    [InlineData("""{"specversion":"1.0","id":null,"source":"/ci","type":"t"}""", false)]
    [InlineData("""{"specversion":"1.0","id":{},"source":"/ci","type":"t"}""", false)]
    [InlineData("""{"specversion":"1.0","id":"a\u0000b","source":"/ci","type":"t"}""", false)]
    [InlineData("""{"specversion":"1.0","id":"half \ud83d","source":"/ci","type":"t"}""", false)]
    [InlineData("""{"specversion":"1.0","id":"1","source":"","type":"t"}""", false)]
    [InlineData("""{"specversion":"1.0","id":"1","source":"/ci","type":""}""", false)]
    [InlineData("""{"specversion":"2.0","id":"1","source":"/ci","type":"t"}""", false)]
    [InlineData("""{"specversion":1.0,"id":"1","source":"/ci","type":"t"}""", false)]
    [InlineData("""{"id":"1","source":"/ci","type":"t"}""", false)]
    [InlineData("""["specversion"]""", false)]
    [InlineData("""{"specversion":"1.0","id":"1","source":"/ci","type":"t",}""", false)]
    [InlineData("", false)]
    public void On_what_is_a_CloudEvent(string body, bool accepted) =>
        Assert.Equal((accepted, accepted), (PackageAccepts(body), WakeAccepts(body)));

    [Theory]
    // Version 0.3 is what older senders speak, among them those of a large cloud.
    [InlineData("""{"specversion":"0.3","id":"1","source":"/ci","type":"t"}""")]
    // Numbers as ids are common, and mean what they say.
    [InlineData("""{"specversion":"1.0","id":7,"source":"/ci","type":"t"}""")]
    // An event is worth more than its extensions, its time or the form of its data: what cannot be read is left out.
    [InlineData("""{"specversion":"1.0","id":"1","source":"/ci","type":"t","Not_A_Name":"x"}""")]
    [InlineData("""{"specversion":"1.0","id":"1","source":"/ci","type":"t","list":[1]}""")]
    [InlineData("""{"specversion":"1.0","id":"1","source":"/ci","type":"t","time":"yesterday"}""")]
    [InlineData("""{"specversion":"1.0","id":"1","source":"/ci","type":"t","data":{},"data_base64":"e30="}""")]
    [InlineData("""{"specversion":"1.0","id":"1","source":"/ci","type":"t","data_base64":"not base64!"}""")]
    [InlineData(
        """{"specversion":"1.0","id":"1","source":"/ci","type":"t","datacontenttype":"text/plain","data":{}}"""
    )]
    // A source is a name here and never called.
    [InlineData("""{"specversion":"1.0","id":"1","source":"http://[","type":"t"}""")]
    public void But_Wake_is_more_lenient_where_nothing_is_lost_by_it(string body) =>
        Assert.Equal((false, true), (PackageAccepts(body), WakeAccepts(body)));

    [Theory]
    // Nothing could be found by them.
    [InlineData("""{"specversion":"1.0","id":" ","source":"/ci","type":"t"}""")]
    // Nobody else says what Wake says.
    [InlineData("""{"specversion":"1.0","id":"1","source":"wake:request","type":"t"}""")]
    [InlineData("""{"specversion":"1.0","id":"1","source":"/ci","type":"wake.requested"}""")]
    public void But_Wake_is_stricter_about_what_events_are_known_by(string body) =>
        Assert.Equal((true, false), (PackageAccepts(body), WakeAccepts(body)));

    sealed record Signed(string Id, string Timestamp, string Body, string Signature);

    static Signed SignedNow()
    {
        var unsigned = new Signed("msg_1", $"{DateTimeOffset.UtcNow.ToUnixTimeSeconds()}", "{}", "");
        return unsigned with { Signature = Sign(Secret, unsigned) };
    }

    static string Sign(string secret, Signed delivery) =>
        new StandardWebhook(secret).Sign(
            delivery.Id,
            DateTimeOffset.FromUnixTimeSeconds(long.Parse(delivery.Timestamp)),
            delivery.Body
        );

    static bool PackageAccepts(Signed delivery)
    {
        try
        {
            new StandardWebhook(Secret).Verify(
                delivery.Body,
                new HeaderDictionary
                {
                    ["webhook-id"] = delivery.Id,
                    ["webhook-timestamp"] = delivery.Timestamp,
                    ["webhook-signature"] = delivery.Signature,
                }
            );
            return true;
        }
        catch (WebhookVerificationException)
        {
            return false;
        }
    }

    static bool WakeAccepts(Signed delivery, DateTimeOffset now) =>
        StandardWebhooksProvider.SignatureProblem(
            new(
                "test",
                [
                    new("webhook-id", delivery.Id),
                    new("webhook-timestamp", delivery.Timestamp),
                    new("webhook-signature", delivery.Signature),
                ],
                Encoding.UTF8.GetBytes(delivery.Body)
            ),
            [Secret],
            now
        )
            is null;

    static bool PackageAccepts(string body)
    {
        try
        {
            Json.DecodeStructuredModeMessage(
                Encoding.UTF8.GetBytes(body),
                new ContentType("application/cloudevents+json"),
                extensionAttributes: null
            );
            return true;
        }
        catch (Exception refused)
            when (refused is ArgumentException or InvalidOperationException or JsonException or FormatException)
        {
            return false;
        }
    }

    static bool WakeAccepts(string body)
    {
        try
        {
            var mapped = CloudEvents.Map(
                new("test", [new("Content-Type", "application/cloudevents+json")], Encoding.UTF8.GetBytes(body))
            );
            Assert.Equal(mapped.Events is [], mapped.IsMalformed);
            return mapped.Events is [_];
        }
        catch (JsonException)
        {
            return false;
        }
    }

    static CloudEvent PackageReads(HttpContent sent, bool batch)
    {
        using var request = new HttpRequestMessage { Content = sent };
        return batch
            ? Assert.Single(request.ToCloudEventBatchAsync(Json).GetAwaiter().GetResult())
            : request.ToCloudEventAsync(Json).GetAwaiter().GetResult();
    }

    static WebhookRequest Request(HttpContent sent) =>
        new(
            "test",
            sent.Headers.Select(x => KeyValuePair.Create(x.Key, x.Value.First())),
            sent.ReadAsByteArrayAsync().GetAwaiter().GetResult()
        );

    static string? DataText(CloudEvent read) =>
        read.Data switch
        {
            null => null,
            byte[] bytes => Convert.ToBase64String(bytes),
            string text => text,
            var json => JsonSerializer.Serialize(json),
        };

    static string? DataText(ExternalEventObserved read) =>
        read.Data is not { } data ? null
        : data.Text("data_base64") is { } encoded ? encoded
        : data.ValueKind is JsonValueKind.String ? data.GetString()
        : JsonSerializer.Serialize(data);
}
