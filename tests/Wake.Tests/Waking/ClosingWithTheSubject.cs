using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Wake.Contracts;
using Wake.Contracts.Http;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

public sealed class ClosingWithTheSubjectInOneProcess(StandaloneSystem shared)
    : ClosingWithTheSubject(shared),
        IClassFixture<StandaloneSystem>;

public sealed class ClosingWithTheSubjectOnRabbitMq(GuardedRabbitMqSystem shared)
    : ClosingWithTheSubject(shared),
        IClassFixture<GuardedRabbitMqSystem>;

/// <summary>From the first event to the last, and to the one that takes it up again.</summary>
[Trait("Starts", "processes")]
public abstract class ClosingWithTheSubject(SharedSystem shared)
{
    readonly WakeSystem wake = shared.System;
    readonly string subject = $"github:test/{Guid.NewGuid():N}#1";

    string Key => $"coder@{subject}";

    Task<CommandOutput> Wake(params string[] arguments) => WakeCommandLine.Run(wake.Here, null, arguments);

    [Fact]
    public async Task A_merge_is_told_in_the_last_turn_and_a_reopening_goes_on_where_it_stopped()
    {
        await Route("--on-end", "close");
        await Tell("github.pull_request.opened");
        await wake.WaitForTurnEnd(Key, 1);
        await wake.Watch(Key, "ci:of-it");

        await Tell("github.pull_request.merged");

        var last = await wake.WaitForTurnEnd(Key, 2);
        Assert.Equal(["github.pull_request.merged"], last.Reasons);
        var closed = await wake.WaitForState(Key, SessionState.Closed);
        var explained = await wake.Explain(Key);
        Assert.Equal(["ending", "closed"], explained.Ledger.Select(x => x.What).Where(x => x is "ending" or "closed"));
        Assert.Empty(explained.Watches);
        await Tell("github.issue.closed");

        await Tell("github.pull_request.reopened");

        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(Key, 3)).Outcome);
        var session = await wake.Show(Key);
        Assert.Equal([closed.ClaudeSessionId!.Value], session.ClaudeSessionIds);
        Assert.Null(session.Closed);
        Assert.Equal(3, FakeTranscript.Of(wake, session).UserMessages.Count);
    }

    [Fact]
    public async Task The_time_of_a_close_is_shown_until_something_newer_calls_it_off()
    {
        await Route("--on-end", "close", "--close-after", "1h");
        Assert.Contains("close after 01:00:00", (await Wake("routes")).Output);
        await Tell("github.pull_request.opened");
        await wake.WaitForTurnEnd(Key, 1);
        await Tell("github.pull_request.closed");
        await wake.WaitForTurnEnd(Key, 2);

        Assert.NotNull((await wake.Show(Key)).ClosesAt);
        Assert.Contains("its subject is over, closes ", (await Wake("sessions", "show", Key)).Output);
        await wake.WaitForState(Key, SessionState.Idle);
        Assert.Contains("and it closes at ", (await wake.Explain(Key)).Summary);

        await Tell("github.pull_request.reopened");
        await wake.WaitForTurnEnd(Key, 3);
        Assert.Null((await wake.Show(Key)).ClosesAt);
    }

    [Fact]
    public async Task Who_only_watches_closes_with_it_and_comes_back_with_the_reopening()
    {
        var key = await wake.Session("instant");
        async Task<CommandOutput> Watch(string what, params string[] more) =>
            await Wake(["watch", "--session", key, "--subject", what, "--on-end", "close", .. more]);

        Assert.Contains("needs a subject without *", (await Watch("github:test/*")).Errors);
        Assert.Contains("from 0 to 365 days", (await Watch(subject, "--close-after", "400d")).Errors);
        Assert.Contains(
            "is for onEnd close",
            (await Wake("watch", "--session", key, "--subject", subject, "--close-after", "1h")).Errors
        );
        var made = await Watch(subject);
        Assert.True(made.ExitCode == 0, made.Errors);
        Assert.EndsWith(" close", (await Wake("watches", "--session", key)).Output.TrimEnd());

        await Tell("github.pull_request.merged");
        Assert.Equal(["github.pull_request.merged"], (await wake.WaitForTurnEnd(key, 1)).Reasons);
        await wake.WaitForState(key, SessionState.Closed);
        await Tell("github.pull_request.reopened");

        Assert.Equal(["github.pull_request.reopened"], (await wake.WaitForTurnEnd(key, 2)).Reasons);
        await wake.WaitUntilIdle();
        var session = await wake.Show(key);
        Assert.Null(session.Closed);
        Assert.Single(session.ClaudeSessionIds);
        Assert.Contains("its subject is taken up again", (await wake.Explain(key)).Ledger.Select(x => x.Note));
    }

    [Fact]
    public async Task The_command_closes_what_belongs_to_a_subject_and_says_which()
    {
        await Route();
        await Tell("github.pull_request.opened");
        await wake.WaitForTurnEnd(Key, 1);

        Assert.Equal(2, (await Wake("sessions", "close")).ExitCode);
        Assert.Equal(2, (await Wake("sessions", "close", Key, "--subject", subject)).ExitCode);
        var closed = await Wake("sessions", "close", "--subject", subject);
        Assert.Equal($"Closed: {Key}", closed.Output.Trim());
        var again = await Wake("sessions", "close", "--subject", subject);
        Assert.Equal((0, $"No open session belongs to {subject}."), (again.ExitCode, again.Output.Trim()));
        var json = await Wake("sessions", "close", "--subject", subject, "--output", "json");
        Assert.Equal("""{"sessions":[]}""", json.Output.Trim());

        var blank = await wake.Http.DeleteAsync("/v1/sessions");
        Assert.Equal(HttpStatusCode.BadRequest, blank.StatusCode);
    }

    [Fact]
    public async Task Reset_it_begins_afresh_and_the_transcript_before_is_kept()
    {
        var key = await wake.WatchingSession("instant");
        Assert.Contains("Nothing to reset", (await Wake("sessions", "reset", key)).Output);
        await wake.Wake(key, "before");
        await wake.WaitForTurnEnd(key, 1);
        var before = (await wake.Show(key)).ClaudeSessionId!.Value;

        var said = await Wake("sessions", "reset", key);
        Assert.Contains($"Left: Claude session {before}", said.Output);
        Assert.Contains("Nothing to reset", (await Wake("sessions", "reset", key)).Output);
        await wake.Wake(key, "after");
        var turn = await wake.WaitForTurnEnd(key, 2);

        Assert.Equal(TurnOutcome.Completed, turn.Outcome);
        var session = await wake.Show(key);
        Assert.Equal([before, session.ClaudeSessionId!.Value], session.ClaudeSessionIds);
        var told = Assert.Single(FakeTranscript.Of(wake, session).UserMessages);
        Assert.DoesNotContain("before", told);
        Assert.Contains("This session begins", told);
        Assert.True(
            await wake.Scalar<bool>("select exists (select from transcripts where claude_session_id = $1)", before)
        );
        Assert.Equal(1, (await Wake("sessions", "reset", "nobody")).ExitCode);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_turn_that_runs_ends_first_or_is_interrupted(bool interrupt)
    {
        var key = await wake.WatchingSession("instant");
        await wake.Wake(key, "before");
        await wake.WaitForTurnEnd(key, 1);
        var before = (await wake.Show(key)).ClaudeSessionId!.Value;
        using var hold = new HoldFile();
        await wake.Wake(key, $"held [[fake:hold {hold.Path}]]");
        await hold.Reached();

        var answer = await wake.Http.PostAsJsonAsync(
            $"/v1/sessions/{Uri.EscapeDataString(key)}/reset",
            new ResetRequest(interrupt)
        );
        Assert.Equal(
            new ResetResult(true, before, 2, interrupt),
            await answer.Content.ReadFromJsonAsync<ResetResult>()
        );
        if (interrupt)
        {
            await Eventually.Holds(async () => (await wake.Turns(key))[^1].Attempt == 2, "it runs again");
            Assert.Contains("interrupted by a reset", (await wake.Explain(key)).Ledger.Select(x => x.Note));
        }

        hold.Release();
        var turn = await wake.WaitForTurnEnd(key, 2);
        Assert.Equal((TurnOutcome.Completed, interrupt ? 2 : 1), (turn.Outcome, turn.Attempt));
        Assert.Equal(before == turn.ClaudeSessionId, !interrupt);

        await wake.Wake(key, "after");
        await wake.WaitForTurnEnd(key, 3);

        var session = await wake.Show(key);
        Assert.Equal(2, session.ClaudeSessionIds.Count);
        Assert.Equal(interrupt ? 2 : 1, FakeTranscript.Of(wake, session).UserMessages.Count);
        Assert.Contains("reset", (await wake.Explain(key)).Ledger.Select(x => x.What));
    }

    async Task Route(params string[] more)
    {
        var set = await Wake([
            "routes",
            "set",
            $"ends-{Guid.NewGuid():N}",
            "--session",
            "coder@{subject}",
            "--workspace",
            Directory.CreateTempSubdirectory("wake-end-").FullName,
            "--profile",
            "instant",
            "--type",
            "github.pull_request.*",
            "--subject",
            subject,
            .. more,
        ]);
        Assert.True(set.ExitCode == 0, set.Errors);
    }

    Task<IReadOnlyList<JsonElement>> Tell(string type) =>
        wake.Post(
            WakeSystem.Event(subject, type) with
            {
                Type = type,
                DedupKey = Guid.NewGuid().ToString(),
                Data = JsonElement.Parse("{}"),
            }
        );
}

/// <summary>What is decided when the event is taken in outlives the process.</summary>
[Trait("Starts", "processes")]
public sealed class ClosingAfterACrash
{
    [Fact]
    public async Task An_end_that_was_taken_in_closes_the_session_whoever_comes_after()
    {
        await using var wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>
            {
                ["Routes__ends__Session"] = "coder@{subject}",
                ["Routes__ends__Workspace"] = Path.GetTempPath(),
                ["Routes__ends__Profile"] = "instant",
                ["Routes__ends__OnEnd"] = "Close",
                ["Routes__ends__CloseAfter"] = "00:00:03",
            }
        );
        var (subject, key) = ("github:test/crash#1", "coder@github:test/crash#1");
        await wake.Post(WakeSystem.Event(subject, "begun"));
        await wake.WaitForTurnEnd(key, 1);
        using var hold = new HoldFile();
        await wake.Post(
            WakeSystem.Event(subject, $"merged [[fake:hold {hold.Path}]]") with
            {
                Type = "github.pull_request.merged",
            }
        );
        await hold.Reached();

        await wake.Processes[^1].Kill();
        await wake.StartProcess("Wake.Standalone");
        hold.Release();

        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 2)).Outcome);
        await wake.WaitForState(key, SessionState.Closed);
    }
}
