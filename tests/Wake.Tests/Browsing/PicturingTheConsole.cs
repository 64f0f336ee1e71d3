using System.Text.Json;
using Microsoft.Playwright;
using Wake.Contracts;
using Wake.Tests.Support;

namespace Wake.Tests.Browsing;

/// <summary>The pictures that stand in the documents, of a day as it may be. They are taken again by every run, into
/// artifacts/screenshots; who changes a page looks at them, and replaces those in docs/images.</summary>
[Trait("Starts", "processes")]
public sealed class PicturingTheConsole
{
    const string Implementer = "implementer@github:octo-org/hello#972",
        Reviewer = "reviewer@github:octo-org/hello#968",
        Releaser = "release-notes",
        Deployer = "deployer@production";

    [Fact]
    public async Task Four_pictures_are_taken()
    {
        await using var wake = await WakeSystem.Start(Transport.InMemory);
        foreach (var key in (string[])[Implementer, Reviewer, Releaser, Deployer])
            await wake.Session("instant", key: key);
        await wake.Watch(Implementer, "github:octo-org/hello#972", "mend CI, then ask for a review");
        await wake.Watch(Reviewer, "github:octo-org/hello#968", "look at the new commits");

        await wake.Post(
            Event("octo-org/hello#972", "github.ci.failed", "CI of #972 failed: 3 tests of CheckoutTests"),
            Event("octo-org/hello#968", "github.push", "2 commits were pushed to #968")
        );
        await wake.WaitForTurnEnd(Implementer, 1);
        await wake.WaitForTurnEnd(Reviewer, 1);
        await wake.Post(
            Event("octo-org/hello#972", "github.ci.passed", "CI of #972 passed"),
            Event("octo-org/hello#972", "github.review.changes_requested", "octocat wants changes on #972")
        );
        await wake.WaitForTurnEnd(Implementer, 2);
        await wake.Wake(Releaser, "Write the notes of 2.4");
        await wake.WaitForTurnEnd(Releaser, 1);
        await Asks(wake);

        await using (var phone = await ConsoleBrowser.OpenByCommand(wake, size: ConsoleBrowser.Phone))
        {
            await phone.Sees("Deploy 2.4 to production now?");
            await phone.Pictures("docs-needs-you");
        }

        await using (var day = await ConsoleBrowser.OpenByCommand(wake, [Implementer]))
        {
            await day.Page.Locator("#turn-2", new() { HasText = "completed" }).WaitForAsync();
            await day.Pictures("docs-session");
            await day.Goes("/events/ci-failed-972");
            await day.Page.Locator("#data").WaitForAsync();
            await day.Pictures("docs-event");
        }

        await using var night = await ConsoleBrowser.OpenByCommand(wake, colours: ColorScheme.Dark);
        await night.Goes("/sessions");
        await night.Page.GetByRole(AriaRole.Link, new() { Name = Deployer }).WaitForAsync();
        await night.Pictures("docs-sessions");
    }

    // What is ordered of the fake stands in the note of a watch, which none of these pages shows.
    static async Task Asks(WakeSystem wake)
    {
        await wake.Watch(
            Deployer,
            "deploy:production",
            "[[fake:ask Deploy 2.4 to production now?|Deploy now|Wait until Monday]]"
        );
        await wake.Post(
            new ExternalEventObserved
            {
                Id = "deploy",
                Source = "ci.example.com",
                Type = "deployment.ready",
                Subject = "deploy:production",
                Reason = "2.4 is ready for production",
            }
        );
        await wake.WaitForState(Deployer, SessionState.WaitingForAnswer);
    }

    static ExternalEventObserved Event(string what, string type, string reason) =>
        new()
        {
            Id = type == "github.ci.failed" ? "ci-failed-972" : Guid.NewGuid().ToString(),
            Source = "github:octo-org",
            Type = type,
            Subject = $"github:{what}",
            Reason = reason,
            Actor = "octocat",
            Data = JsonSerializer.SerializeToElement(
                new
                {
                    check = "build",
                    conclusion = "failure",
                    failed = new[] { "CheckoutTests.Totals_are_rounded" },
                }
            ),
        };
}
