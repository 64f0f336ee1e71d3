using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Wake.Contracts;
using Wake.Store;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>What a dry run tells, and that it does nothing; and what comes of publishing an event once more.</summary>
public sealed class RehearsingEvents(StandaloneSystem shared) : IClassFixture<StandaloneSystem>
{
    readonly WakeSystem wake = shared.System;

    [Fact]
    public async Task A_dry_run_says_who_would_wake_why_and_with_which_prompt()
    {
        var (subject, name) = ($"test:{Guid.NewGuid()}", $"r{Guid.NewGuid():N}");
        var (watching, named) = (await wake.Session(), await wake.Session());
        var watch = (await wake.Watch(watching, subject, intent: "then deploy it")).GetProperty("id").GetGuid();
        await wake.Wake(watching, "so that it has a memory");
        await wake.Ended(watching, 1);
        var put = await wake.Http.PutAsJsonAsync($"/v1/routes/{name}", new { session = "robot@{subject}", subject, workspace = "/tmp/{session}", fullPrompt = "Begin.", deltaPrompt = "Go on." });
        Assert.Equal(HttpStatusCode.OK, put.StatusCode);
        var before = await Everything();

        var rehearsal = await DryRun(WakeSystem.Event(subject, "merged") with { Sessions = [named] });

        Assert.Equal(IntakeOutcome.Routed, rehearsal.Outcome);
        Assert.Equal(
            new HashSet<RehearsedDelivery>
            {
                new(watching, Wakes: true, Begins: false, watch, null, "then deploy it", PromptForm.Delta, null),
                new(named, Wakes: true, Begins: false, null, null, null, PromptForm.Full, null),
                new($"robot@{subject}", Wakes: true, Begins: true, null, name, null, PromptForm.Full, "Begin."),
            },
            [.. rehearsal.Sessions]);
        Assert.Equal(before, await Everything());
    }

    [Fact]
    public async Task A_dry_run_knows_duplicates_and_events_that_wake_nobody()
    {
        var key = await wake.WatchingSession();
        var observed = WakeSystem.Event(WakeSystem.Subject(key), "merged");
        await wake.Post(observed);

        Assert.Equal((IntakeOutcome.Duplicate, observed.Id), (await DryRun(observed)) is var duplicate ? (duplicate.Outcome, duplicate.DuplicateOf) : default);
        Assert.Equal(IntakeOutcome.Unwatched, (await DryRun(WakeSystem.Event(Guid.NewGuid().ToString(), "merged"))).Outcome);
        Assert.False(Assert.Single((await DryRun(WakeSystem.Event(WakeSystem.Subject(key), "noted", Delivery.Ambient))).Sessions).Wakes);
    }

    [Fact]
    public async Task The_command_says_it_in_words_and_replays_what_was()
    {
        var here = new Dictionary<string, string> { ["WAKE_URL"] = wake.Http.BaseAddress!.ToString() };
        var key = await wake.WatchingSession();
        string[] what = ["publish", "--subject", WakeSystem.Subject(key), "--type", "test.happened", "--reason", "merged", "--id", $"first {key}"];

        var rehearsed = await WakeCommandLine.Run(here, null, [.. what, "--dry-run"]);
        var published = await WakeCommandLine.Run(here, null, what);
        await wake.Ended(key, 1);
        var replayed = await WakeCommandLine.Run(here, null, "replay", $"first {key}", "--output", "json");

        Assert.Contains($"{key} would wake", rehearsed.Output);
        Assert.Equal((0, 0, 0), (rehearsed.ExitCode, published.ExitCode, replayed.ExitCode));
        Assert.Equal(["merged"], (await wake.Ended(key, 2)).Reasons);
        var again = await wake.ExplainEvent(JsonElement.Parse(replayed.Output).GetProperty("id").GetString()!);
        Assert.Equal($"first {key}", again.Event.ReplayOf);
        Assert.Equal(2, (await wake.Turns(key)).Count);
        Assert.Equal(1, (await WakeCommandLine.Run(here, null, "replay", "nothing")).ExitCode);
    }

    async Task<Rehearsal> DryRun(ExternalEventObserved observed)
    {
        var answer = await wake.Http.PostAsync("/v1/events?dryRun=true", new ByteArrayContent(EventJson.Write(observed)) { Headers = { ContentType = new("application/json") } });
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return (await answer.Content.ReadFromJsonAsync<Rehearsal>(JsonSerializerOptions.Web))!;
    }

    Task<string> Everything() => wake.Scalar<string>(
        """
        select concat_ws(' ', (select count(*) from events), (select count(*) from inbox), (select count(*) from sessions), (select count(*) from duplicates),
                         (select count(*) from watches), (select count(*) from decisions), (select count(*) from wake_timers where due_at is not null))
        """);
}
