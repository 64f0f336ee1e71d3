using System.ComponentModel.DataAnnotations;
using System.Text;
using System.Text.Json;
using Wake.Contracts;
using Wake.Producers.Webhooks;
using Wake.Producing;
using Wake.Tests.HouseRules;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>Senders that Wake does not know, described by their hook's settings, and CloudEvents in all their
/// forms.</summary>
[Trait("Starts", "processes")]
public sealed class DescribingASender
{
    static readonly string Bitbucket = Path.Combine(
        Repository.Root,
        "tests/Wake.Tests/Producing/Payloads/bitbucket.pullrequest.fulfilled.json"
    );

    static HookOptions Hook(PayloadPaths paths, params string[] ownLogins) =>
        new()
        {
            Sender = WebhookProviderKind.Generic,
            Secrets = ["key"],
            Paths = paths,
            OwnLogins = ownLogins,
            IdHeader = "X-Request-UUID",
            TrustHeaders = true,
        };

    static readonly PayloadPaths OfBitbucket = new()
    {
        Type = "bitbucket.{header:X-Event-Key}",
        Subject = "bitbucket:{repository.full_name}#{pullrequest.id}",
        Reason = "PR {pullrequest.title}: {pullrequest.state}",
        DedupKey = "{header:X-Event-Key}|{repository.full_name}|{pullrequest.id}|{pullrequest.updated_on}",
        Actor = "actor.nickname",
        Time = "pullrequest.updated_on",
    };

    static EventMapping Map(HookOptions hook, string body, params (string Name, string Value)[] headers) =>
        WebhookProviders
            .Create(hook)
            .Map(new("cloud", headers.Select(x => KeyValuePair.Create(x.Name, x.Value)), Encoding.UTF8.GetBytes(body)));

    [Fact]
    public void Type_and_id_may_stand_in_headers_and_a_subject_is_put_together()
    {
        var observed = Assert.Single(
            Map(
                Hook(OfBitbucket),
                File.ReadAllText(Bitbucket),
                ("X-Event-Key", "pullrequest:fulfilled"),
                ("X-Request-UUID", "u-1")
            ).Events
        );

        Assert.Equal(
            ("u-1", "bitbucket.pullrequest:fulfilled", "bitbucket:team/app#12", "PR Add a thing: MERGED"),
            (observed.Id, observed.Type, observed.Subject, observed.Reason)
        );
        Assert.Equal("pullrequest:fulfilled|team/app|12|2026-11-28T10:05:00+00:00", observed.DedupKey);
        Assert.Equal(
            ("mona", new DateTimeOffset(2026, 11, 28, 10, 5, 0, TimeSpan.Zero)),
            (observed.Actor, observed.Time)
        );
    }

    [Fact]
    public void Where_a_part_is_missing_what_always_stands_for_it_does()
    {
        Assert.Equal(
            "hook:cloud",
            Assert
                .Single(
                    Map(
                        Hook(OfBitbucket),
                        """{"repository":{"full_name":"team/app"}}""",
                        ("X-Event-Key", "repo:push")
                    ).Events
                )
                .Subject
        );
        Assert.Equal("no type at bitbucket.{header:X-Event-Key}", Map(Hook(OfBitbucket), "{}").IgnoredReason);
    }

    [Fact]
    public void A_type_may_always_be_the_same_and_what_ones_own_login_causes_is_ambient()
    {
        var deploys = new PayloadPaths { Type = "text:netlify.deploy", Actor = "committer" };

        Assert.Equal(("netlify.deploy", Delivery.Ambient), Told("""{"id":"1","committer":"Hello-Bot"}"""));
        Assert.Equal(("netlify.deploy", Delivery.Wake), Told("""{"id":"1","committer":"mona"}"""));

        (string, Delivery) Told(string body) =>
            Map(Hook(deploys, "hello-bot"), body).Events.Select(x => (x.Type, x.Delivery)).Single();
    }

    [Theory]
    [InlineData("{repository.full_name", "braces")]
    [InlineData("repository.full_name}", "braces")]
    [InlineData("a{{b}}c", "braces")]
    [InlineData("x{}y", "no path")]
    [InlineData("a..b", "no path")]
    [InlineData("", "no path")]
    [InlineData("header:", "name of a header")]
    [InlineData("{header:X Event}", "name of a header")]
    [InlineData("text:", "needs a text")]
    public void A_description_that_is_none_is_told_when_Wake_starts(string subject, string problem) =>
        Assert.Contains(problem, Problems(Hook(new() { Subject = subject })));

    [Fact]
    public void Settings_that_make_no_sense_for_a_hook_are_told_too()
    {
        Assert.Contains(
            "AllowedOrigins belongs to",
            Problems(
                new()
                {
                    Sender = WebhookProviderKind.GitLab,
                    Secrets = ["s"],
                    AllowedOrigins = ["*"],
                }
            )
        );
        Assert.Contains(
            "'https://x'",
            Problems(
                new()
                {
                    Sender = WebhookProviderKind.CloudEvents,
                    Secrets = ["s"],
                    AllowedOrigins = ["https://x"],
                }
            )
        );
        Assert.Contains(
            "OwnLogins",
            Problems(
                new()
                {
                    Sender = WebhookProviderKind.GitLab,
                    Secrets = ["s"],
                    OwnLogins = [" "],
                }
            )
        );
        Assert.Equal(
            "",
            Problems(
                new()
                {
                    Sender = WebhookProviderKind.CloudEvents,
                    Secrets = ["s"],
                    AllowedOrigins = ["eventgrid.azure.net", "*"],
                }
            )
        );
        Assert.Equal("", Problems(Hook(OfBitbucket)));
    }

    static string Problems(HookOptions hook)
    {
        var options = new WebhooksOptions { Hooks = { ["cloud"] = hook } };
        return string.Join(' ', options.Validate(new ValidationContext(options)).Select(x => x.ErrorMessage));
    }

    [Fact]
    public async Task A_described_hook_is_tried_out_by_its_name()
    {
        Dictionary<string, string> settings = new()
        {
            ["WAKE_DATA"] = "/nowhere",
            ["Webhooks__Hooks__bb__Sender"] = "Generic",
            ["Webhooks__Hooks__bb__Secrets__0"] = "key",
            ["Webhooks__Hooks__bb__TrustHeaders"] = "true",
            ["Webhooks__Hooks__bb__Paths__Type"] = OfBitbucket.Type,
            ["Webhooks__Hooks__bb__Paths__Subject"] = OfBitbucket.Subject,
        };

        var said = await WakeCommandLine.Run(
            settings,
            null,
            "publish",
            "--hook",
            "BB",
            "--file",
            Bitbucket,
            "--header",
            "X-Event-Key: pullrequest:fulfilled",
            "--dry-run",
            "--output",
            "json"
        );
        var unknown = await WakeCommandLine.Run(
            settings,
            null,
            "publish",
            "--hook",
            "other",
            "--file",
            Bitbucket,
            "--dry-run"
        );
        var wrong = await WakeCommandLine.Run(
            new Dictionary<string, string>(settings) { ["Webhooks__Hooks__bb__Paths__Type"] = "{" },
            null,
            "publish",
            "--hook",
            "bb",
            "--file",
            Bitbucket,
            "--dry-run"
        );

        Assert.True(said.ExitCode == 0, said.Errors);
        Assert.Equal(
            ("bitbucket.pullrequest:fulfilled", "bitbucket:team/app#12"),
            JsonElement.Parse(said.Output).At("events")[0] is var x ? (x.Text("type"), x.Text("subject")) : default
        );
        Assert.Contains("There is no hook other", unknown.Errors);
        Assert.Contains("Webhooks:Hooks:bb: Paths:Type: the braces", wrong.Errors);
    }

    static readonly HookOptions Cloud = new() { Sender = WebhookProviderKind.CloudEvents };

    static EventMapping Structured(string body) => Map(Cloud, body, ("Content-Type", "application/cloudevents+json"));

    static EventMapping Binary(string body, string type) =>
        Map(
            Cloud,
            body,
            ("Content-Type", type),
            ("ce-specversion", "1.0"),
            ("ce-id", "1"),
            ("ce-source", "/ci"),
            ("ce-type", "t")
        );

    [Theory]
    // {"reason":"The build failed: 3 tests","link":"https://ci.example/b/1"}
    [InlineData(
        """{"specversion":"1.0","id":"b-1","source":"/ci","type":"t","datacontenttype":"application/json","data_base64":"eyJyZWFzb24iOiJUaGUgYnVpbGQgZmFpbGVkOiAzIHRlc3RzIiwibGluayI6Imh0dHBzOi8vY2kuZXhhbXBsZS9iLzEifQ=="}""",
        "The build failed: 3 tests",
        "https://ci.example/b/1"
    )]
    [InlineData(
        """{"specversion":"0.3","id":"b-1","source":"/ci","type":"t","datacontentencoding":"base64","data":"eyJyZWFzb24iOiJUaGUgYnVpbGQgZmFpbGVkOiAzIHRlc3RzIiwibGluayI6Imh0dHBzOi8vY2kuZXhhbXBsZS9iLzEifQ=="}""",
        "The build failed: 3 tests",
        "https://ci.example/b/1"
    )]
    [InlineData(
        """{"specversion":"1.0","id":"b-2","source":"/ci","type":"t","datacontenttype":"text/plain","data":"The nightly deploy needs a person: disk 97 % full"}""",
        "The nightly deploy needs a person: disk 97 % full",
        null
    )]
    [InlineData(
        """{"specversion":"1.0","id":"b-2","source":"/ci","type":"t","datacontenttype":"text/plain","data_base64":"RGlzayBmdWxs"}""",
        "Disk full",
        null
    )]
    [InlineData(
        """{"specversion":"1.0","id":"b-2","source":"/ci","type":"t","datacontenttype":"text/plain","reason":"Mine","data":"Disk full"}""",
        "Mine",
        null
    )]
    [InlineData(
        """{"specversion":"0.3","id":"b-2","source":"/ci","type":"t","data":{"reason":"Old","link":"https://x"}}""",
        "Old",
        "https://x"
    )]
    [InlineData("""{"specversion":"1.0","id":7,"source":"/ci","type":"t"}""", "t: /ci", null)]
    public void What_a_cloudevent_says_is_the_reason_however_it_carries_it(string body, string reason, string? link)
    {
        var observed = Assert.Single(Structured(body).Events);

        Assert.Equal((reason, link), (observed.Reason, observed.Data?.Text("link")));
    }

    [Fact]
    public void What_is_neither_text_nor_json_is_kept_as_it_came()
    {
        Assert.Equal(
            "/9j/",
            Assert
                .Single(
                    Structured(
                        """{"specversion":"1.0","id":"1","source":"/ci","type":"t","datacontenttype":"image/jpeg","data_base64":"/9j/"}"""
                    ).Events
                )
                .Data?.Text("data_base64")
        );
        Assert.Equal(
            "not base64!",
            Assert
                .Single(
                    Structured(
                        """{"specversion":"1.0","id":"1","source":"/ci","type":"t","data_base64":"not base64!"}"""
                    ).Events
                )
                .Data?.Text("data_base64")
        );
        Assert.Equal("Disk full", Assert.Single(Binary("Disk full", "text/plain; charset=utf-8").Events).Reason);
        Assert.Equal("T2s=", Assert.Single(Binary("Ok", "application/octet-stream").Events).Data?.Text("data_base64"));
        Assert.Equal("Fine", Assert.Single(Binary("""{"reason":"Fine"}""", "application/json").Events).Reason);
    }

    [Theory]
    [InlineData("""{"specversion":"0.2","id":"1","source":"/ci","type":"t"}""", "specversion is 0.2")]
    [InlineData("""{"id":"1","source":"/ci","type":"t"}""", "specversion is missing")]
    [InlineData("""{"specversion":"1.0","id":"1","type":"t"}""", "id, a source and a type")]
    [InlineData("42", "specversion is missing")]
    public void What_cannot_be_read_is_refused_with_the_reason(string body, string why)
    {
        var refused = Structured(body);

        Assert.True(refused.IsMalformed);
        Assert.Contains(why, refused.IgnoredReason);
    }

    [Fact]
    public void Of_a_batch_all_are_taken_or_none_and_the_wrong_one_is_named()
    {
        const string good = """{"specversion":"1.0","id":"1","source":"/ci","type":"t"}""";
        EventMapping Batch(string body) => Map(Cloud, body, ("Content-Type", "application/cloudevents-batch+json"));

        Assert.Equal(2, Batch($"[{good},{good.Replace("\"1\"", "\"2\"", StringComparison.Ordinal)}]").Events.Count);
        Assert.Equal("empty", Batch("[]").IgnoredReason);
        var refused = Batch($"[{good},{{}}]");
        Assert.True(refused.IsMalformed);
        Assert.StartsWith("[1]: ", refused.IgnoredReason);
        Assert.Empty(refused.Events);
        Assert.True(Batch(good).IsMalformed);
        Assert.True(Batch($"[{string.Join(',', Enumerable.Repeat(good, 1001))}]").IsMalformed);
    }
}
