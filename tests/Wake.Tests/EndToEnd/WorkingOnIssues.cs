using System.Text.Json;
using Wake.Contracts;
using Wake.Tests.HouseRules;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

/// <summary>The settings in deploy/examples, as they are shipped, with this machine's addresses in place of
/// theirs.</summary>
[Trait("Starts", "processes")]
public sealed class WorkingOnIssues : IAsyncLifetime
{
    readonly TemporaryFolder machine = new();
    WakeSystem wake = null!;

    public async Task InitializeAsync()
    {
        var (data, repository) = (
            Directory.CreateDirectory(machine.File("data")).FullName,
            Directory.CreateDirectory(machine.File("repository")).FullName
        );
        await GitCommand.Run(repository, "init", "--quiet");
        File.Copy(Path.Combine(Repository.Root, "deploy/examples/wake.json"), Path.Combine(data, "wake.json"));

        var settings = new Dictionary<string, string>
        {
            ["WAKE_DATA"] = data,
            ["Runner__Cache"] = machine.File("cache"),
        };
        foreach (var profile in (string[])["implementer", "reviewer"])
        {
            settings[$"Profiles__{profile}__Repository"] = repository;
            settings[$"Profiles__{profile}__QuietWindow"] = "00:00:00.1";
        }

        foreach (var route in (string[])["issue-assigned", "review-requested", "changes-requested"])
            settings[$"Routes__{route}__Workspace"] = machine.File("workspaces/{session}");

        wake = await WakeSystem.Start(Transport.InMemory, settings);
    }

    public async Task DisposeAsync()
    {
        await wake.DisposeAsync();
        machine.Dispose();
    }

    [Fact]
    public async Task An_issue_has_one_session_from_its_assignment_to_the_review_of_its_pull_request()
    {
        const string implementer = "implementer@github:octo-org/hello#12",
            reviewer = "reviewer@github:octo-org/hello#13";

        await wake.Publish(Event("github.issue.assigned", 12, new { assignee = "hello-bot" }));
        await wake.WaitForTurnEnd(implementer, 1);
        await wake.Watch(implementer, "github:octo-org/hello#13", types: ["github.ci.*"]);
        await wake.Publish(Event("github.pull_request.review_requested", 13, new { reviewer = "user:hello-bot" }));
        await wake.WaitForTurnEnd(reviewer, 1);
        await wake.Publish(Event("github.pull_request.review_submitted", 13, new { state = "changes_requested" }));
        await wake.WaitForTurnEnd(implementer, 2);
        await wake.Publish(Event("github.pull_request.review_submitted", 13, new { state = "approved" }));
        await wake.WaitUntilIdle();

        var session = await wake.Show(implementer);
        Assert.Single(session.ClaudeSessionIds);
        var told = FakeTranscript.Of(wake, session).UserMessages;
        Assert.Equal(2, told.Count);
        Assert.Contains("This session begins", told[0]);
        Assert.Contains("You implement the issue that was assigned.", told[0]);
        Assert.Contains("Changes were requested on your pull request.", told[1]);
        Assert.DoesNotContain("This session begins", told[1]);

        Assert.Contains(
            "You review the pull request.",
            Assert.Single(FakeTranscript.Of(wake, await wake.Show(reviewer)).UserMessages)
        );
        Assert.NotEqual(session.Workspace, (await wake.Show(reviewer)).Workspace);
        Assert.Equal(2, await wake.Scalar<long>("select count(*) from sessions"));
    }

    static ExternalEventObserved Event(string type, int number, object data) =>
        WakeSystem.Event($"github:octo-org/hello#{number}", Guid.NewGuid().ToString()) with
        {
            Type = type,
            Data = JsonSerializer.SerializeToElement(data),
        };
}
