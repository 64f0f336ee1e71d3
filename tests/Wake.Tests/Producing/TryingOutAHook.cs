using System.Text.Json;
using System.Text.Json.Nodes;
using Wake.Producing;
using Wake.Tests.HouseRules;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary><c>wake publish --from</c>: a delivery from a file, read as the door would read it.</summary>
[Trait("Starts", "processes")]
public sealed class TryingOutAHook(StandaloneSystem shared) : IClassFixture<StandaloneSystem>
{
    static readonly Dictionary<string, string> NothingRuns = new() { ["WAKE_DATA"] = "/nowhere" };

    static string At(string file) => Path.Combine(Repository.Root, "tests/Wake.Tests/Producing/Payloads", file);

    static async Task<JsonElement> DryRun(params string[] arguments)
    {
        var said = await WakeCommandLine.Run(
            NothingRuns,
            null,
            ["publish", "--dry-run", "--output", "json", .. arguments]
        );
        Assert.True(said.ExitCode == 0, said.Errors);
        return JsonElement.Parse(said.Output);
    }

    [Fact]
    public async Task A_dry_run_says_what_it_means_with_no_wake_running()
    {
        var said = await WakeCommandLine.Run(
            NothingRuns,
            null,
            "publish",
            "--from",
            "github",
            "--event",
            "push",
            "--file",
            At("webhooks/push.branch.json"),
            "--dry-run",
            "--output",
            "json"
        );

        Assert.Equal(
            """{"events":[{"type":"github.push","subject":"github:codertocat/hello-world:refs/heads/master","related":["github:codertocat/hello-world@6113728f27ae82c7b1a177c8d03f9e96e0adf246"],"dedupKey":"github.push|github:codertocat/hello-world:refs/heads/master|6113728f27ae82c7b1a177c8d03f9e96e0adf246","reason":"refs/heads/master is now at 6113728f","delivery":"ambient"}]}"""
                + "\n",
            said.Output
        );
    }

    [Fact]
    public async Task A_dry_run_says_why_there_is_no_event() =>
        Assert.Equal(
            """{"events":[],"ignored":"ping"}""",
            (await DryRun("--from", "github", "--event", "ping", "--file", At("webhooks/ping.json"))).GetRawText()
        );

    [Theory]
    [InlineData("codertocat", "wake")]
    [InlineData("dependabot[bot]", "ambient")]
    public async Task The_words_of_a_bot_are_read_as_at_the_door(string author, string delivery)
    {
        using var folder = new TemporaryFolder();
        var payload = JsonNode.Parse(File.ReadAllText(At("webhooks/issue_comment.created.on-pull-request.json")))!;
        payload["comment"]!["user"]!["login"] = author;
        File.WriteAllText(folder.File("comment.json"), payload.ToJsonString());

        var said = await DryRun("--from", "github", "--event", "issue_comment", "--file", folder.File("comment.json"));

        Assert.Equal(delivery, said.At("events")[0].Text("delivery"));
    }

    [Theory]
    [InlineData(
        "gitlab",
        "Merge Request Hook",
        "other-forges/gitlab.merge_request.merge.json",
        "gitlab.merge_request.merged|gitlab:anbraten/woodpecker-test!4"
    )]
    [InlineData(
        "forgejo",
        "pull_request",
        "other-forges/forgejo.pull_request.closed.merged.json",
        "forgejo.pull_request.merged|forgejo@forgejo.com:anbraten/test-repo#1"
    )]
    [InlineData(
        "gitea",
        "issue_comment",
        "other-forges/gitea.issue_comment.created.on-pull-request.json",
        "gitea.pull_request.comment_created|gitea@try.gitea.io:gogits/hello-world#2|45"
    )]
    public async Task Every_forge_can_be_tried(string from, string name, string file, string key) =>
        Assert.Equal(
            key,
            (await DryRun("--from", from, "--event", name, "--file", At(file))).At("events")[0].Text("dedupKey")
        );

    [Fact]
    public async Task Headers_and_the_secret_are_checked_as_at_the_door()
    {
        string[] delivery =
        [
            "publish",
            "--from",
            "standard",
            "--file",
            "-",
            "--dry-run",
            "--secret",
            "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
            "--output",
            "json",
            "--header",
            "webhook-id: msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
            "--header",
            "webhook-timestamp: 1674087231",
            "--header",
            "webhook-signature: v1,bAo/ZbQILxvdozo/ynbX/OmAvBCBNauT8tvtBLFrDCI=",
        ];
        const string body =
            "{\"type\":\"contact.created\",\"timestamp\":\"2022-11-03T20:26:10.344522Z\",\"data\":{\"id\":\"1f81eb52-5198-4599-803e-771906343485\"}}";

        var genuine = await WakeCommandLine.Run(NothingRuns, body, delivery);
        var tampered = await WakeCommandLine.Run(NothingRuns, body + " ", delivery);

        Assert.Contains(
            "contact.created|hook:standard|webhook:standard|msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
            genuine.Output
        );
        Assert.Equal(
            (1, "", "The signature is not right."),
            (tampered.ExitCode, tampered.Output, tampered.Errors.Trim())
        );
    }

    [Theory]
    [InlineData("--event", "push", "--file", "x")]
    [InlineData("--from", "github", "--event", "push")]
    [InlineData("--from", "github", "--file", "x", "--subject", "y")]
    [InlineData("--from", "github", "--file", "x", "--header", "no colon")]
    [InlineData("--from", "sourceforge", "--file", "x")]
    public async Task Options_that_make_no_sense_together_are_misuse(params string[] arguments) =>
        Assert.Equal(2, (await WakeCommandLine.Run(NothingRuns, null, ["publish", .. arguments])).ExitCode);

    [Fact]
    public async Task Without_a_dry_run_the_events_are_published()
    {
        var key = await shared.System.Session();
        await shared.System.Watch(key, "github:codertocat/hello-world#1");

        var said = await WakeCommandLine.Run(
            shared.System.Here,
            null,
            "publish",
            "--from",
            "github",
            "--event",
            "issues",
            "--file",
            At("webhooks/issues.assigned.json")
        );

        Assert.True(said.ExitCode == 0, said.Errors);
        Assert.Contains($"routed to {key}", said.Output);
        await shared.System.WaitForTurnEnd(key, 1);
    }
}
