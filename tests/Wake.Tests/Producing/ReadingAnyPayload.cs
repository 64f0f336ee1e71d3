using System.Text;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using Wake.Contracts;
using Wake.Producers.GitHub;
using Wake.Producers.Webhooks;
using Wake.Producing;

namespace Wake.Tests.Producing;

/// <summary>
/// Real payloads with anything in them replaced: no mapper throws anything but that the JSON is none, and whatever
/// event comes of it every front takes.
/// </summary>
public sealed class ReadingAnyPayload
{
    static readonly Payload[] Payloads =
    [
        .. Payload.Webhooks.Concat(Payload.OtherForges).Where(x => x.File.EndsWith(".json", StringComparison.Ordinal)),
    ];

    static readonly IWebhookProvider[] Everybody =
    [
        new GitHubWebhookProvider(),
        .. Enum.GetValues<WebhookProviderKind>().Select(x => WebhookProviders.Create(new() { Sender = x })),
    ];

    // As JSON: what no forge sends and somebody will.
    static readonly string[] Nasty =
    [
        "null",
        "true",
        "false",
        "0",
        "-1",
        "1e308",
        "99999999999999999999999999",
        "1.5",
        "\"\"",
        "\" \"",
        "[]",
        "{}",
        "[[[]]]",
        "[null]",
        "\"\\u0000\"",
        "\"a\\u0000b\"",
        "\"half \\ud83d\"",
        "\"\\udc00\"",
        "\"🚀\"",
        "\"\\u202e\"",
        "\"../../etc/passwd\"",
        "\"a/b/c\"",
        "\"|\"",
        "\"$(reboot)\"",
        $"\"{new string('x', 600)}\"",
        $"\"{string.Concat(Enumerable.Repeat("🚀", 600))}\"",
        $"\"{new string('é', 5000)}\"",
        "\"0001-01-01T00:00:00+14:00\"",
        "\"9999-12-31T23:59:59-14:00\"",
        "\"2023-12-05 18:43:00 UTC\"",
        "\"closed\"",
        "\"completed\"",
        "\"https://evil.example/x\"",
        "{\"login\":\"\\ud800\",\"id\":1}",
        "{\"\\ud800\":1}",
        "[{\"number\":9223372036854775807,\"base\":{\"repo\":{\"id\":186853002}}}]",
        "253402300800",
        "-62135596801",
    ];

    static readonly string[] Actions =
    [
        "opened",
        "closed",
        "created",
        "submitted",
        "completed",
        "assigned",
        "labeled",
        "reopened",
        "published",
        "dequeued",
        "answered",
        "merge",
        "update",
    ];

    [Fact]
    public void Whatever_is_replaced_nothing_throws_and_every_event_is_valid() =>
        Prop.ForAll(
                Arb.From(
                    from payload in Gen.Elements(Payloads)
                    from seeds in Gen.Choose(0, int.MaxValue).ListOf(6)
                    from changes in Gen.Choose(1, 6)
                    from bytes in Gen.Frequency((3, Gen.Constant(0)), (1, Gen.Choose(1, 5)))
                    select (payload, seeds, changes, bytes)
                ),
                x =>
                {
                    var random = new Random(x.seeds.Aggregate(17, HashCode.Combine));
                    var json = x.payload.Bytes;
                    for (var i = 0; i < x.changes; i++)
                        json = Replaced(json, random);
                    for (var i = 0; i < x.bytes; i++)
                        json[random.Next(json.Length)] = (byte)random.Next(256);

                    foreach (var sender in Everybody)
                        Check(sender, x.payload.Request(json));
                }
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(400));

    [Fact]
    public void Random_headers_and_bytes_harm_nobody() =>
        Prop.ForAll(
                ArbMap.Default.ArbFor<byte[]>(),
                ArbMap.Default.ArbFor<NonNull<string>>(),
                (bytes, text) =>
                {
                    string[] names =
                    [
                        "X-GitHub-Event",
                        "X-Gitea-Event",
                        "Content-Type",
                        "ce-specversion",
                        "ce-id",
                        "ce-source",
                        "ce-type",
                        "ce-subject",
                        "X-Hub-Signature-256",
                        "webhook-id",
                        "webhook-timestamp",
                        "webhook-signature",
                        "X-Gitlab-Token",
                        "Authorization",
                        "X-Forgejo-Signature",
                        "X-Slack-Request-Timestamp",
                        "X-Signature",
                    ];
                    foreach (var sender in Everybody)
                    {
                        WebhookRequest[] requests =
                        [
                            new("test", names.Select(x => KeyValuePair.Create(x, text.Get)), bytes),
                            new(
                                "test",
                                [new("Content-Type", "application/x-www-form-urlencoded")],
                                (byte[])[.. "payload="u8, .. bytes]
                            ),
                            new(
                                "test",
                                [
                                    new("ce-specversion", "1.0"),
                                    new("ce-id", text.Get),
                                    new("ce-source", "%ff"),
                                    new("ce-type", $"%{text.Get}%41"),
                                ],
                                bytes
                            ),
                        ];
                        foreach (var request in requests)
                        {
                            Assert.NotNull(
                                sender.VerificationFailure(
                                    request,
                                    ["c2VjcmV0IG9mIHRoaXMgdGVzdCBhbG9uZQ=="],
                                    DateTimeOffset.UnixEpoch
                                )
                            );
                            Check(sender, request);
                        }
                    }
                }
            )
            .Check(Config.QuickThrowOnFailure);

    static void Check(IWebhookProvider sender, WebhookRequest request)
    {
        EventMapping mapped;
        try
        {
            mapped = sender.Map(request);
        }
        catch (JsonException)
        {
            // What it is documented to throw.
            return;
        }

        Assert.Equal(mapped.Events.Count == 0, mapped.IgnoredReason is not null);
        Assert.All(
            mapped.Events,
            x => Assert.True(EventJson.TryParse(EventJson.Serialize(x), out _, out var problem), problem)
        );
    }

    // By hand, because no writer of JSON would write what it shall hold.
    static byte[] Replaced(byte[] json, Random random)
    {
        List<(int Start, int Length, string? Name)> values = [];
        var reader = new Utf8JsonReader(json);
        string? name = null;
        while (reader.Read())
        {
            if (reader.TokenType is JsonTokenType.PropertyName)
            {
                name = reader.ValueIsEscaped ? null : reader.GetString();
                continue;
            }

            if (reader.TokenType is JsonTokenType.EndObject or JsonTokenType.EndArray || reader.CurrentDepth > 5)
                continue;

            var start = (int)reader.TokenStartIndex;
            var copy = reader;
            copy.TrySkip();
            values.Add((start, (int)copy.BytesConsumed - start, name));
        }

        // Most of a payload nobody reads: prefer what is near the top, and what decides.
        var chosen = values[random.Next(3) == 0 ? random.Next(values.Count) : random.Next(Math.Min(values.Count, 60))];
        var value =
            chosen.Name == "action" && random.Next(2) == 0
                ? $"\"{Actions[random.Next(Actions.Length)]}\""
                : Nasty[random.Next(Nasty.Length)];
        return [.. json[..chosen.Start], .. Encoding.UTF8.GetBytes(value), .. json[(chosen.Start + chosen.Length)..]];
    }
}
