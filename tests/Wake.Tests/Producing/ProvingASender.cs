using System.Security.Cryptography;
using System.Text;
using Wake.Producers.GitHub;
using Wake.Producers.Webhooks;
using Wake.Producing;

namespace Wake.Tests.Producing;

/// <summary>The signatures of every sender: the published vectors hold, and whatever is changed about them does
/// not.</summary>
public sealed class ProvingASender
{
    const string GitHubSecret = "It's a Secret to Everybody";
    const string StandardSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const string SlackSecret = "8f742231b10e8888abcd99yyyzzz85a5";

    static readonly DateTimeOffset Then = DateTimeOffset.FromUnixTimeSeconds(1614265330);

    static readonly Dictionary<string, string> Standard = new()
    {
        ["webhook-id"] = "msg_p5jXN8AQM9LWM0D4loKWxJek",
        ["webhook-timestamp"] = "1614265330",
        ["webhook-signature"] = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    };

    static bool Holds(
        IWebhookProvider sender,
        string body,
        Dictionary<string, string> headers,
        string secret,
        DateTimeOffset? now = null
    ) => sender.VerificationFailure(new("test", headers, Encoding.UTF8.GetBytes(body)), [secret], now ?? Then) is null;

    static Dictionary<string, string> With(Dictionary<string, string> headers, string name, string value) =>
        new(headers) { [name] = value };

    [Fact]
    public void The_vector_of_github_holds_and_no_other_does()
    {
        var sender = new GitHubWebhookProvider();
        Dictionary<string, string> Signed(string signature) => new() { ["X-Hub-Signature-256"] = signature };
        const string good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

        Assert.True(Holds(sender, "Hello, World!", Signed(good), GitHubSecret));
        Assert.False(Holds(sender, "Hello, World?", Signed(good), GitHubSecret));
        Assert.False(Holds(sender, "Hello, World!", Signed(good), "another"));
        Assert.False(Holds(sender, "Hello, World!", Signed(good[7..]), GitHubSecret));
        Assert.False(Holds(sender, "Hello, World!", Signed(good[..^1]), GitHubSecret));
        Assert.False(Holds(sender, "Hello, World!", Signed("sha256="), GitHubSecret));
        Assert.False(Holds(sender, "Hello, World!", [], GitHubSecret));

        // Right, and of a kind that is refused all the same.
        Assert.False(
            Holds(
                sender,
                "Hello, World!",
                new() { ["X-Hub-Signature"] = "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59" },
                GitHubSecret
            )
        );
    }

    [Fact]
    public void During_a_rotation_the_old_and_the_new_secret_hold()
    {
        var delivery = Payload.Of("webhooks/ping.json").Request();

        Assert.Null(new GitHubWebhookProvider().VerificationFailure(delivery, ["new", GitHubSecret], Then));
        Assert.NotNull(new GitHubWebhookProvider().VerificationFailure(delivery, ["new", "newer"], Then));
        Assert.NotNull(new GitHubWebhookProvider().VerificationFailure(delivery, [], Then));
    }

    [Fact]
    public void Every_recorded_delivery_is_signed_over_its_very_bytes() =>
        Assert.All(
            Payload.Webhooks,
            payload =>
            {
                Assert.Null(payload.Sender.VerificationFailure(payload.Request(), [Payload.Secret], Then));
                Assert.NotNull(
                    payload.Sender.VerificationFailure(
                        payload.Request([.. payload.Bytes, (byte)' ']),
                        [Payload.Secret],
                        Then
                    )
                );
            }
        );

    [Theory]
    [InlineData(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "1614265330",
        "{\"test\": 2432232314}",
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )]
    [InlineData(
        "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
        "1674087231",
        "{\"type\":\"contact.created\",\"timestamp\":\"2022-11-03T20:26:10.344522Z\",\"data\":{\"id\":\"1f81eb52-5198-4599-803e-771906343485\"}}",
        "v1,bAo/ZbQILxvdozo/ynbX/OmAvBCBNauT8tvtBLFrDCI="
    )]
    public void The_vectors_of_standard_webhooks_hold(
        string secret,
        string id,
        string timestamp,
        string body,
        string signature
    )
    {
        var (sender, now) = (
            WebhookProviders.Create(new() { Sender = WebhookProviderKind.Standard }),
            DateTimeOffset.FromUnixTimeSeconds(long.Parse(timestamp))
        );
        Dictionary<string, string> headers = new()
        {
            ["webhook-id"] = id,
            ["webhook-timestamp"] = timestamp,
            ["webhook-signature"] = signature,
        };

        Assert.True(Holds(sender, body, headers, secret, now));

        // As Supabase shows it, and as an editor leaves it.
        Assert.True(Holds(sender, body, headers, $"v1,{secret}", now));
        Assert.True(Holds(sender, body, headers, $" {secret}\n", now));
        Assert.True(
            Holds(
                sender,
                body,
                headers.ToDictionary(x => x.Key.Replace("webhook-", "svix-", StringComparison.Ordinal), x => x.Value),
                secret,
                now
            )
        );
        Assert.True(
            Holds(sender, body, With(headers, "webhook-signature", $"v1a,abc v1,AAAA {signature}"), secret, now)
        );
        Assert.False(
            Holds(
                sender,
                body,
                With(headers, "webhook-signature", signature.Replace("v1,", "v2,", StringComparison.Ordinal)),
                secret,
                now
            )
        );
        Assert.False(Holds(sender, body + " ", headers, secret, now));
        Assert.False(Holds(sender, body, With(headers, "webhook-id", id + "x"), secret, now));
        Assert.False(Holds(sender, body, headers, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", now));
        Assert.False(Holds(sender, body, headers, "not base64!", now));
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(299, true)]
    [InlineData(-299, true)]
    [InlineData(301, false)]
    [InlineData(-301, false)]
    public void What_is_older_or_younger_than_five_minutes_is_refused(int seconds, bool holds)
    {
        Assert.Equal(
            holds,
            Holds(
                WebhookProviders.Create(new() { Sender = WebhookProviderKind.Standard }),
                "{\"test\": 2432232314}",
                Standard,
                StandardSecret,
                Then.AddSeconds(seconds)
            )
        );
        Assert.Equal(
            holds,
            Holds(
                Slack,
                "Hello, World!",
                SlackHeaders,
                SlackSecret,
                DateTimeOffset.FromUnixTimeSeconds(1531420618 + seconds)
            )
        );
    }

    [Theory]
    [InlineData("")]
    [InlineData("now")]
    [InlineData("-1")]
    [InlineData("9223372036854775807")]
    [InlineData("1614265330.5")]
    public void A_timestamp_that_is_none_is_refused(string timestamp) =>
        Assert.False(
            Holds(
                WebhookProviders.Create(new() { Sender = WebhookProviderKind.Standard }),
                "{\"test\": 2432232314}",
                With(Standard, "webhook-timestamp", timestamp),
                StandardSecret
            )
        );

    static IWebhookProvider Slack =>
        WebhookProviders.Create(new() { Sender = WebhookProviderKind.Generic, Scheme = SignatureScheme.Slack });

    static Dictionary<string, string> SlackHeaders =>
        new()
        {
            ["X-Slack-Request-Timestamp"] = "1531420618",
            ["X-Slack-Signature"] = "v0=461bd088fc1fcce3774eadda453f03f47762c46a1ac55c8f5894a373940247b8",
        };

    [Fact]
    public void The_vector_of_slack_holds_and_no_other_does()
    {
        var then = DateTimeOffset.FromUnixTimeSeconds(1531420618);

        Assert.True(Holds(Slack, "Hello, World!", SlackHeaders, SlackSecret, then));
        Assert.False(Holds(Slack, "Hello, World?", SlackHeaders, SlackSecret, then));
        Assert.False(
            Holds(
                Slack,
                "Hello, World!",
                With(SlackHeaders, "X-Slack-Request-Timestamp", "1531420619"),
                SlackSecret,
                then
            )
        );
    }

    [Fact]
    public void Gitlab_brings_its_token_or_a_signature()
    {
        var sender = WebhookProviders.Create(new() { Sender = WebhookProviderKind.GitLab });

        Assert.True(Holds(sender, "{}", new() { ["X-Gitlab-Token"] = "s3cret" }, "s3cret"));
        Assert.False(Holds(sender, "{}", new() { ["X-Gitlab-Token"] = "s3cre" }, "s3cret"));
        Assert.False(Holds(sender, "{}", [], "s3cret"));

        // A signing token never travels, so it is worth nothing as a token.
        Assert.True(Holds(sender, "{\"test\": 2432232314}", Standard, StandardSecret));
        Assert.True(Holds(sender, "{\"test\": 2432232314}", Standard, $"v1,{StandardSecret}"));
        Assert.False(Holds(sender, "{}", new() { ["X-Gitlab-Token"] = StandardSecret }, StandardSecret));
        Assert.False(
            Holds(sender, "{}", new() { ["X-Gitlab-Token"] = $"v1,{StandardSecret}" }, $"v1,{StandardSecret}")
        );
    }

    [Fact]
    public void Forgejos_own_header_alone_decides_and_an_empty_one_is_no_signature()
    {
        var body = "{\"ref\":1}";
        var good = Convert.ToHexStringLower(HMACSHA256.HashData("key"u8, Encoding.UTF8.GetBytes(body)));
        var (forgejo, gitea) = (
            WebhookProviders.Create(new() { Sender = WebhookProviderKind.Forgejo }),
            WebhookProviders.Create(new() { Sender = WebhookProviderKind.Gitea })
        );

        Assert.True(
            Holds(forgejo, body, new() { ["X-Forgejo-Signature"] = good, ["X-Gitea-Signature"] = "bad" }, "key")
        );
        Assert.False(Holds(forgejo, body, new() { ["X-Forgejo-Signature"] = "", ["X-Gitea-Signature"] = good }, "key"));
        Assert.True(Holds(gitea, body, new() { ["X-Gitea-Signature"] = good }, "key"));
        Assert.False(
            Holds(gitea, body, new() { ["X-Gitea-Signature"] = "", ["X-Hub-Signature-256"] = $"sha256={good}" }, "key")
        );

        // Of a form, the JSON in it is signed.
        Assert.True(
            Holds(
                forgejo,
                $"payload={Uri.EscapeDataString(body)}",
                new() { ["X-Forgejo-Signature"] = good, ["Content-Type"] = "application/x-www-form-urlencoded" },
                "key"
            )
        );
    }

    // printf '{}' | openssl dgst -hmac key
    [Theory]
    [InlineData(
        SignatureScheme.HmacSha256,
        SignatureEncoding.Hex,
        "v1=",
        "a777724d943eb48dc69bca8a4a6d57a04db3f9ec7e1de4e581e860265bdf3032"
    )]
    [InlineData(SignatureScheme.HmacSha1, SignatureEncoding.Hex, "", "c9963b837183dc667106461b3de91d0885f539b3")]
    [InlineData(
        SignatureScheme.HmacSha512,
        SignatureEncoding.Base64,
        "",
        "Vfq9qhgscO4gaxIU1E41DJlHed/DQkGyhtxtPxKizXD2ueV/GdZhqG2EhgSHRLoYwP6PgheDB1+QibWF5e3XKQ=="
    )]
    public void Any_sender_can_be_described(
        SignatureScheme scheme,
        SignatureEncoding encoding,
        string prefix,
        string code
    )
    {
        var sender = WebhookProviders.Create(
            new()
            {
                Sender = WebhookProviderKind.Generic,
                Scheme = scheme,
                Encoding = encoding,
                Prefix = prefix,
                Header = "X-Theirs",
            }
        );

        Assert.True(Holds(sender, "{}", new() { ["x-theirs"] = prefix + code }, "key"));
        Assert.False(Holds(sender, "{ }", new() { ["x-theirs"] = prefix + code }, "key"));
        Assert.False(Holds(sender, "{}", new() { ["x-theirs"] = prefix + code + "0" }, "key"));
        Assert.False(Holds(sender, "{}", new() { ["X-Signature"] = prefix + code }, "key"));
    }

    [Theory]
    [InlineData(SignatureScheme.Bearer, "Authorization", "Bearer key", true)]
    [InlineData(SignatureScheme.Bearer, "Authorization", "bearer key", true)]
    [InlineData(SignatureScheme.Bearer, "Authorization", "key", false)]
    [InlineData(SignatureScheme.Bearer, "Authorization", "Bearer kez", false)]
    [InlineData(SignatureScheme.Token, "X-Token", "key", true)]
    [InlineData(SignatureScheme.Token, "X-Token", "", false)]
    public void A_token_is_compared_whole(SignatureScheme scheme, string header, string value, bool holds) =>
        Assert.Equal(
            holds,
            Holds(
                WebhookProviders.Create(new() { Sender = WebhookProviderKind.Generic, Scheme = scheme }),
                "{}",
                new() { [header] = value },
                "key"
            )
        );
}
