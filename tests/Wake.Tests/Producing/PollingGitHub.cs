using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>A whole Wake that asks a GitHub on loopback, as one on a laptop without any public address does.</summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public sealed class PollingGitHub()
    : GitHubPollingTestBase(
        new Dictionary<string, string>
        {
            ["GitHub__PollInterval"] = "00:00:00.5",
            ["GitHub__Settle"] = "00:00:01",
            ["GitHub__OwnLogins__0"] = "hello-bot",
        }
    )
{
    Task<ServiceProcess> Start(IReadOnlyDictionary<string, string>? settings = null) =>
        wake.StartProcess("Wake.Standalone", settings);

    async Task<string> Watching(int number, params string[] types)
    {
        var key = await wake.Session();
        await wake.Watch(key, $"github:octo-org/hello#{number}", types: types is [] ? null : types);
        return key;
    }

    async Task<string?> Told(string key) => string.Join('|', (await wake.Turns(key)).SelectMany(x => x.Reasons));

    [Fact]
    public async Task A_pattern_means_pull_requests_nobody_has_named_but_not_their_past()
    {
        github.PageSize = 2;
        foreach (var number in (int[])[17, 18, 19, 20, 21])
            github.Open(number);
        github.Merge(21);
        await Start();
        var key = await wake.Session();
        await wake.Watch(key, "github:octo-org/hello#*", types: ["*.merged"]);
        await wake.Watch(key, "github:octo-org/hel*", types: ["*.merged"]);
        await github.WaitForTwoPolls();

        // An old one is touched, and one on a later page is merged.
        github.Review(21, "COMMENTED", "Well done");
        github.Merge(17);
        github.Review(18, "COMMENTED", "Still open");
        github.Review(19, "COMMENTED", "Still open");

        await wake.WaitForTurnEnd(key, 1);
        await github.WaitForTwoPolls();
        await wake.WaitUntilIdle();
        Assert.Equal("PR #17 (Change 17) was merged", await Told(key));
        Assert.All(github.Requests, x => Assert.StartsWith("/repos/octo-org/hello/", x.Path));
    }

    [Fact]
    public async Task The_share_of_the_others_is_left_to_them()
    {
        github.Open(15);
        await Start();
        await Watching(15);
        await IsKnown("\"15\"");

        github.Remaining = 2000;
        await Eventually.Holds(async () =>
            await wake.Scalar<bool>(
                "select exists (select from github.cursors where due_at > now() + interval '10 minutes')"
            )
        );
        var asked = github.Requests.Count;
        await Watching(16);
        await Eventually.Holds(async () =>
            await wake.Scalar<bool>(
                "select exists (select from github.cursors where cardinality(watched) = 2 and due_at > now() + "
                    + "interval '10 minutes')"
            )
        );

        Assert.Equal(asked, github.Requests.Count);
    }

    [Fact]
    public async Task What_has_ended_before_the_watch_began_is_said_and_what_was_written_before_it_is_not()
    {
        github.Open(7, body: "Closes #3");
        github.Review(7, "APPROVED", "An old review", ago: TimeSpan.FromMinutes(6));
        github.Merge(7);
        await Start();

        var key = await Watching(7);

        await wake.WaitForTurnEnd(key, 1);
        await github.WaitForTwoPolls();
        Assert.Equal("PR #7 (Change 7) was merged", await Told(key));
        Assert.Equal(
            "true github:octo-org/hello#3",
            await wake.Scalar<string>("select concat_ws(' ', data ->> 'baseline', related[1]) from events")
        );
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_was_written_since_the_watch_was_made_is_told_however_late_the_first_look_at_it_is(bool known)
    {
        github.Open(22);
        github.Open(23);
        await Start();
        if (known)
        {
            await Watching(23);
            await IsKnown("\"23\"");
            await github.WaitForTwoPolls();
        }

        github.Fail(
            "/pulls/22",
            403,
            "{\"message\":\"You have exceeded a secondary rate limit\"}",
            "application/json",
            ("Retry-After", "2")
        );
        var key = await Watching(22);
        await Eventually.Holds(() => Task.FromResult(github.AllFaultsMet));
        await wake.Execute("update watches set id = gen_random_uuid(), created_at = now() - interval '10 minutes'");
        github.Comment(22, "Long before", ago: TimeSpan.FromMinutes(20));
        github.Review(22, "APPROVED", "Long before", ago: TimeSpan.FromMinutes(20));
        github.Comment(22, "Shortly before", ago: TimeSpan.FromMinutes(12));
        github.Review(22, "COMMENTED", "Later", ago: TimeSpan.FromMinutes(8));
        github.Comment(22, "Later still", ago: TimeSpan.FromMinutes(2));

        // Comments are one list: what was there long before its last look has been read.
        string[] expected =
        [
            "PR #22: octocat commented: Later still",
            .. known ? [] : (string[])["PR #22: octocat commented: Shortly before"],
            "PR #22: octocat reviewed it: Later",
        ];
        await Eventually.Holds(async () => await wake.Scalar<long>("select count(*) from events") >= expected.Length);
        await github.WaitForTwoPolls();
        await wake.WaitUntilIdle();
        Assert.Equal(expected, (await wake.Turns(key)).SelectMany(x => x.Reasons).Order(StringComparer.Ordinal));
        Assert.Equal(
            known ? 0 : 1,
            await wake.Scalar<long>("select count(*) from events where data ->> 'baseline' = 'true'")
        );
    }

    [Fact]
    public async Task Reviews_and_comments_wake_but_not_those_of_the_session_itself()
    {
        github.Open(8);
        await Start();
        var key = await Watching(8);
        await IsKnown("\"8\"");

        github.Comment(8, "Done.", login: "Hello-Bot");
        await Eventually.Holds(async () => await wake.Scalar<long>("select count(*) from events where not wakes") == 1);
        await wake.WaitUntilIdle();
        Assert.Empty(await wake.Turns(key));
        github.Review(8, "CHANGES_REQUESTED", "Please test it");

        await wake.WaitForTurnEnd(key, 1);
        Assert.Equal(2, (await wake.Turns(key))[0].Reasons.Count);
        Assert.Contains("PR #8: octocat requested changes: Please test it", await Told(key));
    }

    [Fact]
    public async Task Ci_is_told_once_it_is_over_and_again_when_it_has_run_again_also_of_a_fork()
    {
        var head = LoopbackGitHub.Sha(9);
        github.Open(9, headRepository: "somebody/hello");
        github.Check(head, "build", null);
        await Start(Hooked);
        var key = await Watching(9, "github.ci.*");
        await IsKnown(head);
        await github.WaitForTwoPolls();

        github.Check(head, "build", "failure");
        await wake.WaitForTurnEnd(key, 1);
        github.Check(head, "build", "success");
        github.Hook.To = wake.Http.BaseAddress;
        Assert.True(await Ring(head));

        await wake.WaitForTurnEnd(key, 2);
        Assert.Equal("CI of PR #9 is finished: failure (1 of 1)|CI of PR #9 is finished: success", await Told(key));
    }

    [Fact]
    public async Task A_repository_that_was_renamed_is_still_the_one_that_is_watched()
    {
        github.Token = "ghp_secret";
        github.Open(10);
        await Start();
        var key = await Watching(10);
        await IsKnown("\"10\"");

        github.Renamed = true;
        github.Merge(10);

        await wake.WaitForTurnEnd(key, 1);
        Assert.Equal("PR #10 (Change 10) was merged", await Told(key));
        await github.WaitForTwoPolls();
        Assert.DoesNotContain(github.Requests.TakeLast(4), x => x.Status == 301);
    }

    [Fact]
    public async Task Only_a_rename_leads_the_polling_of_a_repository_elsewhere()
    {
        github.Open(24);
        await Start();
        var key = await Watching(24);
        await IsKnown("\"24\"");

        // Transferred, an issue is at another number of another repository.
        github.Fail("/issues/31", 301, "{}", "application/json", ("Location", $"{github.Url}repositories/99/issues/4"));
        github.Fail(
            "/repositories/99/issues/4",
            200,
            "{\"number\":4,\"state\":\"open\",\"updated_at\":\"2026-11-20T10:00:00Z\"}"
        );
        await Watching(31);
        await Eventually.Holds(() => Task.FromResult(github.AllFaultsMet));
        github.Fail(
            "/repos/octo-org/repositories/pulls/5",
            200,
            "{\"number\":5,\"state\":\"open\",\"updated_at\":\"2026-11-20T10:00:00Z\",\"head\":{\"sha\":\"1\"}}"
        );
        await wake.Watch(key, "github:octo-org/repositories#5");
        await Eventually.Holds(() => Task.FromResult(github.AllFaultsMet));
        github.Merge(24);

        await wake.WaitForTurnEnd(key, 1);
        Assert.Equal("PR #24 (Change 24) was merged", await Told(key));
        await Eventually.Holds(() =>
            Task.FromResult(github.Requests.Count(x => x.Path == "/repos/octo-org/repositories/pulls/5") > 1)
        );
        Assert.Single(github.Requests, x => x.Path.StartsWith("/repositories/", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("error")]
    [InlineData("page")]
    [InlineData("half")]
    [InlineData("wrong")]
    [InlineData("slow")]
    public async Task What_goes_wrong_on_the_way_is_never_taken_for_news(string fault)
    {
        github.Open(11);
        var process = await Start(new Dictionary<string, string> { ["GitHub__RequestTimeout"] = "00:00:00.3" });
        var key = await Watching(11);
        await IsKnown("\"11\"");

        for (var i = 0; i < 6; i++)
        {
            switch (fault)
            {
                case "error":
                    github.Fail("/pulls/11", 502);
                    break;
                case "page":
                    github.Fail("/pulls/11", 200, "<html>Unicorn!</html>", "text/html");
                    break;
                case "half":
                    github.CutOff("/pulls/11");
                    break;
                case "wrong":
                    github.Fail("/pulls/11", 200, "[]");
                    break;
                default:
                    github.Hang("/pulls/11");
                    break;
            }
        }

        await Eventually.Holds(() => Task.FromResult(github.AllFaultsMet));
        Assert.Empty(await wake.Turns(key));
        github.Merge(11);

        await wake.WaitForTurnEnd(key, 1);
        Assert.Equal("PR #11 (Change 11) was merged", await Told(key));
        Assert.DoesNotContain("ghp_secret", process.Log);
    }

    [Fact]
    public async Task A_limit_is_kept_to_by_the_whole_host_and_across_a_restart()
    {
        github.Open(12);
        var first = await Start();
        var key = await Watching(12);
        await IsKnown("\"12\"");

        github.Fail(
            "/pulls/12",
            403,
            "{\"message\":\"You have exceeded a secondary rate limit\"}",
            "application/json",
            ("Retry-After", "8")
        );
        await Eventually.Holds(() => Task.FromResult(github.AllFaultsMet));
        await Eventually.Holds(async () => await wake.Scalar<bool>("select exists (select from github.pauses)"));
        var (until, asked) = (await wake.Scalar<DateTime>("select until from github.pauses"), github.Requests.Count);
        await first.Kill();
        github.Merge(12);
        await Start();
        await Watching(13);

        await wake.WaitForTurnEnd(key, 1);
        Assert.Equal("PR #12 (Change 12) was merged", await Told(key));
        Assert.All(github.Requests.Skip(asked), x => Assert.True(x.At >= until, $"{x} came before {until:o}"));
    }

    [Fact]
    public async Task Five_hundred_quiet_pull_requests_cost_nothing()
    {
        for (var number = 1; number <= 500; number++)
        {
            github.Open(number);
            github.Check(LoopbackGitHub.Sha(number), "build", "success");
            github.MergeState(number, true, "clean");
        }

        github.PageSize = 100;
        await Start(new Dictionary<string, string> { ["GitHub__MergeStateSettle"] = "00:00:01" });
        var key = await wake.Session();
        await Parallel.ForEachAsync(
            Enumerable.Range(1, 500),
            new ParallelOptions { MaxDegreeOfParallelism = 8 },
            async (number, _) =>
                await wake.Watch(key, $"github:octo-org/hello#{number}", types: ["github.pull_request.merged"])
        );
        await Eventually.Holds(async () =>
            await wake.Scalar<long>("select count(*) from events where type = 'github.ci.completed'") == 500
        );
        // 25 are asked for in a look.
        foreach (var share in new[] { 150, 300, 500 })
        {
            await Eventually.Holds(
                async () =>
                    await wake.Scalar<long>("select count(*) from github.merge_states where state ->> 'Counted' <> '0'")
                    >= share,
                $"of {share} it is known whether they can be merged"
            );
        }
        await github.WaitForTwoPolls();
        var (counted, all) = (github.Counted.Count, github.Requests.Count);

        await github.WaitForTwoPolls();
        await github.WaitForTwoPolls();

        Assert.Equal(counted, github.Counted.Count);
        Assert.InRange(github.Requests.Count - all, 1, 60);
        Assert.DoesNotContain(github.Requests, x => x.Path.EndsWith("/deployments", StringComparison.Ordinal));

        github.Merge(250);
        await wake.WaitForTurnEnd(key, 1);
        Assert.Equal("PR #250 (Change 250) was merged", await Told(key));
        Assert.InRange(github.Counted.Count - counted, 1, 5);
    }

    [Fact]
    public async Task An_app_asks_with_tokens_it_is_given_for_its_signed_word()
    {
        github.Token = "ghs_first";
        using var rsa = RSA.Create(2048);
        var key = await WatchingByApp(rsa, 14);

        // The old one is refused from now on, long before it would have expired.
        github.Token = "ghs_second";
        github.Merge(14);

        await wake.WaitForTurnEnd(key, 1);
        var word = github
            .Requests.First(x => x.Path.EndsWith("/installation", StringComparison.Ordinal))
            .Authorization!["Bearer ".Length..]
            .Split('.');
        Assert.True(
            rsa.VerifyData(
                Encoding.ASCII.GetBytes($"{word[0]}.{word[1]}"),
                Base64Url.DecodeFromChars(word[2]),
                HashAlgorithmName.SHA256,
                RSASignaturePadding.Pkcs1
            )
        );
        Assert.Equal(2, github.Requests.Count(x => x.Path.EndsWith("/access_tokens", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task An_app_that_is_short_in_one_place_asks_on_in_another()
    {
        github.Token = "ghs_any";
        using var rsa = RSA.Create(2048);
        var key = await WatchingByApp(rsa, 25);

        github.Fail("/repos/other/repo/pulls/2", 404, headers: [("x-ratelimit-remaining", "100")]);
        await wake.Watch(key, "github:other/repo#2");
        await Eventually.Holds(async () =>
            await wake.Scalar<bool>(
                "select exists (select from github.cursors where repository = 'github:other/repo' and due_at > "
                    + "now() + interval '10 minutes')"
            )
        );
        github.Merge(25);

        await wake.WaitForTurnEnd(key, 1);
        Assert.Equal("PR #25 (Change 25) was merged", await Told(key));
        Assert.Single(
            github.Requests,
            x =>
                x.Path.StartsWith("/repos/other/repo/", StringComparison.Ordinal)
                && !x.Path.EndsWith("/installation", StringComparison.Ordinal)
        );
    }

    [Fact]
    public async Task What_is_watched_no_more_leaves_nothing_behind()
    {
        github.Open(26);
        github.Open(27);
        github.Review(26, "COMMENTED", "Well done");
        await Start(Hooked);
        github.Hook.To = wake.Http.BaseAddress;
        await Watching(26);
        await Watching(27);
        await IsKnown("pulls/26/reviews");
        await IsKnown(LoopbackGitHub.Sha(27));

        await Unwatch(26);
        await Eventually.Holds(async () =>
            await wake.Scalar<bool>("select state::text not like '%pulls/26%' from github.cursors")
        );

        // Rung for while it cannot be looked at: once is enough.
        github.Fail("/issues/comments", 403, "{}", "application/json", ("Retry-After", "3600"));
        await Eventually.Holds(() => Task.FromResult(github.AllFaultsMet));
        for (var (ring, before) = (0, 0L); ring < 3; ring++)
        {
            Assert.True(await Ring(LoopbackGitHub.Sha(27)));
            await Eventually.Holds(async () =>
                await wake.Scalar<long>("select coalesce(max(seq), 0) from github.rings") > before
            );
            before = await wake.Scalar<long>("select max(seq) from github.rings");
        }

        Assert.Equal(1, await wake.Scalar<long>("select count(*) from github.rings"));
        await Unwatch(27);
        await Eventually.Holds(async () =>
            await wake.Scalar<bool>(
                "select not exists (select from github.cursors) and not exists (select from github.rings)"
            )
        );

        Task Unwatch(int number) =>
            wake.Execute("delete from watches where subject = $1", $"github:octo-org/hello#{number}");
    }

    // A session that watches a pull request Wake knows of as an App.
    async Task<string> WatchingByApp(RSA key, int number)
    {
        github.Open(number);
        await Start(
            new Dictionary<string, string>
            {
                ["GitHub__Accounts__main__Token"] = "",
                ["GitHub__Accounts__main__AppId"] = "12345",
                ["GitHub__Accounts__main__PrivateKey"] = key.ExportRSAPrivateKeyPem()
                    .Replace("\n", "\\n", StringComparison.Ordinal),
            }
        );
        var session = await Watching(number);
        await IsKnown($"\"{number}\"");
        return session;
    }

    static readonly Dictionary<string, string> Hooked = new() { ["GitHub__WebhookSecrets__0"] = LoopbackGitHub.Secret };

    Task<bool> Ring(string sha) =>
        github.Hook.Deliver(
            "check_run",
            new JsonObject
            {
                ["action"] = "completed",
                ["check_run"] = new JsonObject { ["head_sha"] = sha },
                ["repository"] = new JsonObject
                {
                    ["full_name"] = "octo-org/hello",
                    ["html_url"] = "https://github.com/octo-org/hello",
                },
            }
        );
}
