using System.Text.Json;
using System.Text.RegularExpressions;
using Wake.Contracts;
using Wake.Contracts.Http;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

/// <summary>A Wake with an account at a GitHub on loopback, which nobody watches anything of.</summary>
public sealed class SystemThatAsksGitHub : IAsyncLifetime
{
    internal LoopbackGitHub GitHub { get; private set; } = null!;

    public WakeSystem Wake { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        GitHub = await LoopbackGitHub.Start();
        Wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>
            {
                ["GitHub__Accounts__main__Api"] = GitHub.Url.ToString(),
                ["GitHub__Accounts__main__Token"] = "ghp_secret",
                ["GitHub__Accounts__main__Repositories__0"] = "octo-org/hello",
                ["GitHub__RetryAfter"] = "00:00:00.01",
                ["GitHub__PollInterval"] = "01:00:00",
                ["Profiles__default__FactTimeout"] = "00:00:02",
                ["Profiles__trusting__CheckFacts"] = "false",
                ["Profiles__trusting__QuietWindow"] = "00:00:00.1",
                ["Profiles__trusting__MaxWait"] = "00:00:01",
                ["Profiles__slow__FactTimeout"] = "00:00:15",
                ["Profiles__slow__QuietWindow"] = "00:00:00.1",
                ["Profiles__slow__MaxWait"] = "00:00:01",
            }
        );
        await CanBeAsked(Wake);
    }

    public async Task DisposeAsync()
    {
        await Wake.DisposeAsync();
        await GitHub.DisposeAsync();
    }

    /// <summary>Waits until somebody answers.</summary>
    public static Task CanBeAsked(WakeSystem wake) =>
        Eventually.Holds(() => wake.Scalar<bool>("select exists (select from fact_checkers)"));
}

/// <summary>What an account leaves to others of the hour's requests is not spent on turns.</summary>
[Trait("Starts", "processes")]
public sealed class AskingWithinTheLimit(SystemThatAsksGitHub shared) : IClassFixture<SystemThatAsksGitHub>
{
    [Fact]
    public async Task The_turn_is_run_and_says_why_nobody_was_asked()
    {
        var (github, wake) = (shared.GitHub, shared.Wake);
        github.Open(1);
        github.Remaining = 10;
        List<string> messages = [];
        foreach (var key in (string[])[await wake.Session(), await wake.Session()])
        {
            await wake.Post(
                WakeSystem.Event("github:octo-org/hello#1", key) with
                {
                    Type = "github.pull_request.labeled",
                    Sessions = [key],
                }
            );
            await wake.WaitForTurnEnd(key, 1);
            messages.AddRange(FakeTranscript.Of(wake, await wake.Show(key)).UserMessages);
        }

        // The first answer tells what is left.
        Assert.Contains("still so at", messages[0]);
        Assert.Contains("could not be looked up at", messages[1]);
        Assert.Contains(": The rest of this hour's requests is left to others", messages[1]);
        Assert.Single(github.Requests, x => x.Path.EndsWith("/pulls/1", StringComparison.Ordinal));
    }
}

/// <summary>Before a turn begins, what it is about is asked once more.</summary>
[Trait("Starts", "processes")]
public sealed partial class AskingOnceMore(SystemThatAsksGitHub shared) : IClassFixture<SystemThatAsksGitHub>
{
    const string Repository = "github:octo-org/hello";

    static int numbers = 100;

    readonly LoopbackGitHub github = shared.GitHub;
    readonly WakeSystem wake = shared.Wake;
    readonly int number = Interlocked.Increment(ref numbers);

    string Head => LoopbackGitHub.Sha(number);

    [Theory]
    [InlineData("labeled, then merged", "the pull request is merged")]
    [InlineData("labeled, then closed", "the pull request is closed")]
    [InlineData("conflicted, then merged", "the pull request is merged")]
    [InlineData("conflicted, then mended", "the pull request no longer conflicts")]
    [InlineData("ready, then blocked", "the pull request is no longer ready")]
    [InlineData("closed, then opened again", "the pull request is open again")]
    [InlineData("new commits, then newer ones", "the pull request has a newer commit")]
    [InlineData("a comment, then deleted", "the comment is deleted")]
    [InlineData("a comment, then merged", "the pull request is merged")]
    [InlineData("a comment on code, then merged", "the pull request is merged")]
    [InlineData("a review, then dismissed", "the review is dismissed")]
    [InlineData("red, then green", "the checks are green by now")]
    [InlineData("red, then merged", "the pull request is merged")]
    [InlineData("red, then a newer commit", "the pull request has a newer commit")]
    [InlineData("green, then a newer commit", "the pull request has a newer commit")]
    [InlineData("a run failed, then succeeded", "the run has succeeded by now")]
    [InlineData("an issue assigned, then closed", "the issue is closed")]
    [InlineData("a comment on an issue, then closed", "the issue is closed")]
    public async Task What_has_ended_meanwhile_starts_no_turn(string what, string reason)
    {
        var (key, observed) = (await wake.Session(), Happen(what));
        await wake.Post(observed with { Sessions = [key] });

        var turn = await wake.WaitForTurnEnd(key, 1);

        Assert.Equal((TurnOutcome.Stale, reason, 1, 0m), (turn.Outcome, turn.Note, turn.Attempt, turn.CostUsd));
        Assert.Empty((await wake.Show(key)).ClaudeSessionIds);
        var explained = await wake.ExplainEvent(observed.Id);
        Assert.Equal($"{key} was not told of it: wake 1 ended stale: {reason}.", explained.Summary);
        Assert.Equal(
            (FactAnswer.NoLonger, reason),
            (explained.InboxEntries[0].Fact!.Answer, explained.InboxEntries[0].Fact!.Reason)
        );
        Assert.Contains(
            explained.Ledger,
            x => x is { What: "checked", Note: "0 still so, 1 no longer so, 0 unknown", Wake: 1 }
        );
        Assert.Contains(explained.Ledger, x => x.What == "ended" && x.Note == $"stale: {reason}");
    }

    [Theory]
    [InlineData("labeled")]
    [InlineData("merged")]
    [InlineData("closed")]
    [InlineData("a comment")]
    [InlineData("merged, then a comment")]
    [InlineData("merged, then red")]
    [InlineData("red")]
    [InlineData("red, then running again")]
    [InlineData("red, of two pull requests one is merged")]
    [InlineData("green")]
    [InlineData("an issue assigned")]
    [InlineData("an issue closed")]
    public async Task What_is_still_so_is_told_and_says_so(string what)
    {
        var message = await Told(Happen(what));

        Assert.Matches(@"   still so at 20[0-9-]+ [0-9:]+Z\n", message);
    }

    [Theory]
    [InlineData("hidden", "GitHub does not show the pull request")]
    [InlineData("down", "github.com answered with status 502")]
    [InlineData("silent", "no answer came within 2 s")]
    [InlineData("a page for people", "github.com gives no answer: ")]
    public async Task Where_nothing_can_be_found_out_the_turn_is_run_and_says_so(string fault, string why)
    {
        var observed = Happen("labeled, then merged");
        var path = $"/pulls/{number}";
        if (fault == "hidden")
            github.Fail(path, 404);
        else if (fault == "silent")
            github.Hang(path);
        else if (fault == "down")
            Array.ForEach([1, 2, 3, 4], _ => github.Fail(path, 502));
        else
            Array.ForEach([1, 2, 3, 4], _ => github.Fail(path, 200, "<html>Unicorn!</html>", "text/html"));

        var message = await Told(observed);

        Assert.Matches(@"   whether it is still so could not be looked up at 20[0-9-]+ [0-9:]+Z: ", message);
        Assert.Contains(why, message);
        Assert.True(github.AllFaultsMet);
        var explained = await wake.ExplainEvent(observed.Id);
        Assert.Contains("Whether it was still so by then could not be looked up: ", explained.Summary);
    }

    [Theory]
    [InlineData("a comment, then deleted")]
    [InlineData("red, then a newer commit")]
    [InlineData("red, then green")]
    [InlineData("closed, then opened again")]
    public async Task What_has_only_just_happened_may_not_be_known_everywhere_and_is_told(string what) =>
        Assert.Contains(
            "GitHub may not know yet what has only just happened",
            await Told(Happen(what) with { Time = DateTimeOffset.UtcNow })
        );

    [Fact]
    public async Task Of_several_the_turn_tells_which_are_still_so()
    {
        var comment = github.Comment(number, "Please mend it", ago: TimeSpan.FromMinutes(1));
        var (red, written) = (Happen("red, then green"), CommentOn(number, comment));
        github.DeleteComment(comment);

        var message = await Told(written, red, Event("labeled", new { number }));

        Assert.Equal(
            [
                "1. the comment_created event",
                "no longer so at T: the comment is deleted",
                "2. the completed event",
                "no longer so at T: the checks are green by now",
                "3. the labeled event",
                "still so at T",
            ],
            message
                .Split('\n')
                .Select(x => Moment().Replace(x.Trim(), "T"))
                .Where(x =>
                    x.Contains("so at T", StringComparison.Ordinal) || x.EndsWith(" event", StringComparison.Ordinal)
                )
        );
    }

    [Fact]
    public async Task What_a_person_asks_for_is_told_with_what_is_no_longer_so()
    {
        var (key, observed) = (await wake.Session(), Happen("labeled, then merged"));
        await wake.Post(observed with { Sessions = [key], Urgent = false });
        await wake.Wake(key, "see to it");

        var turn = await wake.WaitForTurnEnd(key, 1);

        Assert.Equal((TurnOutcome.Completed, 2), (turn.Outcome, turn.Reasons.Count));
        Assert.Contains("no longer so at", Message(await wake.Show(key)));
    }

    [Fact]
    public async Task What_ended_its_watch_is_told_though_it_is_no_longer_so()
    {
        var key = await wake.Session();
        var observed = Happen("labeled, then merged");
        await wake.Watch(key, observed.Subject, types: [observed.Type], once: true);

        await wake.Post(observed);

        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);
        Assert.Contains("no longer so at", Message(await wake.Show(key)));
        Assert.Empty((await wake.Explain(key)).Watches);
        Assert.Contains("It was no longer so by then: ", (await wake.ExplainEvent(observed.Id)).Summary);
    }

    [Fact]
    public async Task What_only_waited_for_a_turn_waits_for_the_next_when_this_one_is_stale()
    {
        var key = await wake.Session();
        await wake.Post(
            WakeSystem.Event("anything", "a word beside", Delivery.Ambient) with
            {
                Sessions = [key],
            },
            Happen("labeled, then merged") with
            {
                Sessions = [key],
            }
        );
        Assert.Equal(TurnOutcome.Stale, (await wake.WaitForTurnEnd(key, 1)).Outcome);

        await wake.Wake(key, "see to it");

        Assert.Equal(["a word beside", "see to it"], (await wake.WaitForTurnEnd(key, 2)).Reasons.Order());
    }

    [Fact]
    public async Task A_profile_that_does_not_ask_is_told_as_it_was_observed()
    {
        var before = github.Requests.Count;

        var message = await Told("trusting", Happen("labeled, then merged"));

        Assert.DoesNotContain("no longer so", message);
        Assert.Equal(before, github.Requests.Count);
    }

    [Fact]
    public async Task Nobody_waits_where_nobody_can_be_asked()
    {
        var elsewhere = Event("labeled", new { number }) with { Subject = "github:other/elsewhere#1" };
        var key = await wake.Session("slow");
        await wake.Post(elsewhere with { Sessions = [key] }, WakeSystem.Event("x", "done") with { Sessions = [key] });

        var turn = await wake.WaitForTurnEnd(key, 1);

        Assert.Equal(TurnOutcome.Completed, turn.Outcome);
        Assert.InRange((turn.EndedAt - turn.StartedAt)!.Value, TimeSpan.Zero, TimeSpan.FromSeconds(10));
        Assert.Null((await wake.ExplainEvent(elsewhere.Id)).InboxEntries[0].Fact);
    }

    [Fact]
    public async Task What_has_not_changed_costs_no_request_of_the_hour()
    {
        github.Open(number);
        await Told(Event("labeled", new { number }));
        await Told(Event("labeled", new { number }));

        Assert.Equal(
            [200, 304],
            github
                .Requests.Where(x => x.Path.EndsWith($"/pulls/{number}", StringComparison.Ordinal))
                .Select(x => x.Status)
        );
    }

    [Fact]
    public async Task Many_events_of_one_turn_take_few_requests()
    {
        github.Open(number);
        var before = github.Requests.Count;
        var comments = Enumerable
            .Range(0, 20)
            .Select(x => CommentOn(number, github.Comment(number, $"comment {x}", ago: TimeSpan.FromMinutes(1))));

        var message = await Told([.. comments]);

        Assert.Equal(10, github.Requests.Count - before);
        Assert.Equal(9, message.Split("   still so at").Length - 1);
        Assert.Equal(11, message.Split("The turn is about more than is asked for").Length - 1);
    }

    // What has happened two minutes ago, and since then.
    ExternalEventObserved Happen(string what)
    {
        var ago = TimeSpan.FromMinutes(2);
        github.Open(number);
        github.OpenIssue(number);
        switch (what)
        {
            case "labeled":
                return Event("labeled", new { number });
            case "labeled, then merged":
                github.Merge(number);
                return Event("labeled", new { number });
            case "labeled, then closed":
                github.Close(number);
                return Event("labeled", new { number });
            case "conflicted, then mended":
                github.MergeState(number, true, "clean");
                return Event("conflicted", new { number });
            case "ready, then blocked":
                github.MergeState(number, true, "blocked");
                return Event("ready", new { number });
            case "conflicted, then merged":
                github.Merge(number);
                return Event("conflicted", new { number });
            case "merged":
                github.Merge(number);
                return Event("merged", new { number });
            case "closed":
                github.Close(number);
                return Event("closed", new { number });
            case "closed, then opened again":
                return Event("closed", new { number });
            case "new commits, then newer ones":
                github.Push(number, LoopbackGitHub.Sha(number + 1000));
                return Event("synchronized", new { number, head = Head }) with { Delivery = Delivery.Wake };
            case "a comment":
                return CommentOn(number, github.Comment(number, "Please mend it", ago: ago));
            case "a comment, then deleted":
                var deleted = github.Comment(number, "Please mend it", ago: ago);
                github.DeleteComment(deleted);
                return CommentOn(number, deleted);
            case "a comment, then merged":
                var before = github.Comment(number, "Please mend it", ago: ago);
                github.Merge(number);
                return CommentOn(number, before);
            case "merged, then a comment":
                github.Merge(number);
                return CommentOn(number, github.Comment(number, "And now?"));
            case "a comment on code, then merged":
                var code = github.CommentOnCode(number, "Why?", ago);
                github.Merge(number);
                return Event("review_comment_created", new { number, commentId = code });
            case "a review, then dismissed":
                var review = github.Review(number, "CHANGES_REQUESTED", "no", ago: ago);
                github.DismissReview(number);
                return Event("review_submitted", new { number, reviewId = review });
            case "red":
                github.Check(Head, "build", "failure");
                return Checks("failure");
            case "green":
                github.Check(Head, "build", "success");
                return Checks("success");
            case "red, then running again":
                github.Check(Head, "build", null);
                return Checks("failure");
            case "red, then green":
                github.Check(Head, "build", "success");
                return Checks("failure");
            case "red, then merged":
                github.Check(Head, "build", "failure");
                github.Merge(number);
                return Checks("failure");
            case "merged, then red":
                github.Check(Head, "build", "failure");
                github.Merge(number);
                return Checks("failure") with { Time = DateTimeOffset.UtcNow.AddSeconds(3) };
            case "red, of two pull requests one is merged":
                github.Check(Head, "build", "failure");
                github.Merge(number);
                github.Open(number + 1000, Head);
                return Checks("failure") with { Related = [$"{Repository}#{number}", $"{Repository}#{number + 1000}"] };
            case "red, then a newer commit":
                github.Push(number, LoopbackGitHub.Sha(number + 1000));
                return Checks("failure");
            case "green, then a newer commit":
                github.Push(number, LoopbackGitHub.Sha(number + 1000));
                return Checks("success");
            case "a run failed, then succeeded":
                github.Run(number, Head, 90_000 + number, "success");
                return Checks(
                    "failure",
                    new
                    {
                        runId = number,
                        conclusion = "failure",
                        sha = Head,
                    }
                ) with
                {
                    Type = "github.workflow_run.completed",
                };
            case "an issue assigned":
                return Issue("assigned", new { number });
            case "an issue closed":
                github.CloseIssue(number);
                return Issue("closed", new { number });
            case "an issue assigned, then closed":
                github.CloseIssue(number);
                return Issue("assigned", new { number });
            case "a comment on an issue, then closed":
                var said = github.Comment(number, "Please", on: "issues", ago: ago);
                github.CloseIssue(number);
                return Issue("comment_created", new { number, commentId = said });
            default:
                throw new ArgumentOutOfRangeException(nameof(what), what, null);
        }
    }

    static ExternalEventObserved CommentOn(int number, long comment) =>
        Event("comment_created", new { number, commentId = comment }, number);

    ExternalEventObserved Event(string kind, object data) => Event(kind, data, number);

    static ExternalEventObserved Event(string kind, object data, int number) =>
        WakeSystem.Event($"{Repository}#{number}", $"{kind} {Guid.NewGuid()}", reason: $"the {kind} event") with
        {
            Type = $"github.pull_request.{kind}",
            Data = JsonSerializer.SerializeToElement(data),
            Time = DateTimeOffset.UtcNow.AddMinutes(-2),
        };

    ExternalEventObserved Issue(string kind, object data) => Event(kind, data) with { Type = $"github.issue.{kind}" };

    ExternalEventObserved Checks(string conclusion, object? data = null) =>
        Event("completed", data ?? new { conclusion, sha = Head }) with
        {
            Type = "github.ci.completed",
            Subject = $"{Repository}@{Head}",
            Related = [$"{Repository}#{number}"],
        };

    Task<string> Told(params ExternalEventObserved[] events) => Told("default", events);

    // What a session read of these.
    async Task<string> Told(string profile, params ExternalEventObserved[] events)
    {
        var key = await wake.Session(profile);
        await wake.Post([.. events.Select(x => x with { Sessions = [key] })]);
        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);
        return Message(await wake.Show(key));
    }

    string Message(Session session) => Assert.Single(FakeTranscript.Of(wake, session).UserMessages);

    [GeneratedRegex("20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9:]{8}Z")]
    private static partial Regex Moment();
}
