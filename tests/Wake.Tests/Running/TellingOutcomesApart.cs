using System.Text;
using System.Text.Json;
using Wake.Runner;
using Wake.Testing;
using Wake.Tests.HouseRules;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>
/// Every way a run can end, as the CLI printed it when it was provoked on the loopback Messages API, in both versions:
/// one class, one reaction. The recordings are shortened to fields that could matter; one line of a file is one run.
/// </summary>
public sealed class TellingOutcomesApart
{
    static readonly Guid Session = Guid.Parse("b18d1bc9-0000-4000-8000-000000000001");
    static readonly Guid Message = Guid.Parse("9b14d2d1-0dbd-45e7-a083-389f2c1da3bb");

    // What was recorded, the class, the reaction; and why the runner stopped it, if it did.
    static readonly (string Run, string Class, string Reaction, StopReason Stopped)[] Table =
    [
        ("completed", "Completed", "ends", StopReason.None),
        ("denied", "Completed", "ends", StopReason.None),
        ("max-turns", "LimitReached", "ends", StopReason.None),
        ("budget", "LimitReached", "ends", StopReason.None),
        ("refusal", "Refused", "ends", StopReason.None),
        ("hook-stopped", "Refused", "ends", StopReason.None),
        ("deferred", "Deferred", "parked", StopReason.None),
        ("unknown-session", "SessionLost", "fresh", StopReason.None),
        ("prompt-too-long", "Poisoned", "fresh", StopReason.None),
        ("http-413", "Poisoned", "fresh", StopReason.None),
        ("in-use", "AlreadyBegun", "resumed", StopReason.None),
        ("http-429", "ApiUnavailable", "again", StopReason.None),
        ("http-429-retry-after", "ApiUnavailable", "again", StopReason.None),
        ("http-500", "ApiUnavailable", "again", StopReason.None),
        ("http-503", "ApiUnavailable", "again", StopReason.None),
        ("http-529", "ApiUnavailable", "again", StopReason.None),
        ("http-529-retries", "ApiUnavailable", "again", StopReason.None),
        ("refused", "ApiUnavailable", "again", StopReason.None),
        ("dropped", "ApiUnavailable", "again", StopReason.None),
        ("timeout", "ApiUnavailable", "again", StopReason.None),
        ("http-400", "ApiRefuses", "parked", StopReason.None),
        ("http-401", "AccountProblem", "parked", StopReason.None),
        ("http-403", "AccountProblem", "parked", StopReason.None),
        ("credit", "AccountProblem", "parked", StopReason.None),
        ("http-404", "Misconfigured", "parked", StopReason.None),
        ("unknown-option", "Misconfigured", "parked", StopReason.None),
        ("bad-mode", "Misconfigured", "parked", StopReason.None),
        ("bypass-root", "Misconfigured", "parked", StopReason.None),
        ("not-logged-in", "CannotRun", "at once again, no work", StopReason.None),
        ("interrupted", "Interrupted", "at once again", StopReason.Shutdown),
        ("interrupted-tool", "Interrupted", "at once again", StopReason.Shutdown),
        ("terminated", "Interrupted", "at once again", StopReason.Shutdown),
        ("interrupted", "Hung", "again", StopReason.Idle),
        ("interrupted-tool", "Hung", "again", StopReason.Timeout),
        ("killed", "Hung", "again", StopReason.Idle),
        ("interrupted", "Crashed", "again", StopReason.None),
        ("terminated", "Crashed", "again", StopReason.None),
        ("killed", "Crashed", "again", StopReason.None),
    ];

    public static TheoryData<string, string, string, string, string> Rows
    {
        get
        {
            var rows = new TheoryData<string, string, string, string, string>();
            foreach (var version in (string[])[RealClaude.Current, RealClaude.Old])
            {
                foreach (var (run, kind, reaction, stopped) in Table)
                    rows.Add(version, run, kind, reaction, stopped.ToString());
            }

            return rows;
        }
    }

    [Theory]
    [MemberData(nameof(Rows))]
    public void Every_recorded_run_is_of_one_class_with_one_reaction(
        string version,
        string run,
        string kind,
        string reaction,
        string stopped
    )
    {
        var recorded = Recordings(version).Single(x => x.GetProperty("name").GetString() == run);

        var result = Feed(recorded)
            .Conclude(
                recorded.GetProperty("exit").GetInt32(),
                recorded.GetProperty("stderr").GetString()!,
                Enum.Parse<StopReason>(stopped)
            );

        Assert.Equal((kind, reaction), (result.GetType().Name, ReactionWords.Of(result)));
    }

    [Theory]
    [InlineData(RealClaude.Current)]
    [InlineData(RealClaude.Old)]
    public void Every_recording_is_a_row_and_what_can_be_done_is_known_from_its_lines(string version)
    {
        Assert.All(
            Recordings(version),
            x => Assert.Contains(Table, row => row.Run == x.GetProperty("name").GetString())
        );

        // A turn that has a result, or never will, must not be waited for until it counts as silent.
        string[] withoutAny = ["killed", "terminated", "in-use", "bypass-root", "unknown-option", "bad-mode"];
        Assert.All(
            Recordings(version),
            x => Assert.Equal(!withoutAny.Contains(x.GetProperty("name").GetString()), Feed(x).HasOutcome)
        );
    }

    [Theory]
    [InlineData(RealClaude.Current, 0.00028)]
    [InlineData(RealClaude.Old, 0.00035)]
    public void What_a_recorded_turn_cost_is_read(string version, double usd)
    {
        var cost = Feed(Recordings(version).Single(x => x.GetProperty("name").GetString() == "completed")).Cost;

        Assert.Equal((decimal)usd, cost.Usd);
        Assert.True(cost.Tokens is { Input: > 0, Output: > 0 });
    }

    [Fact]
    public void What_fails_again_and_again_waits_for_a_person()
    {
        ClaudeResult[] passing =
        [
            new ClaudeResult.ApiUnavailable(529),
            new ClaudeResult.Crashed("x"),
            new ClaudeResult.Hung("x"),
        ];

        Assert.All(passing, x => Assert.Equal("again", ReactionWords.Of(x, failures: 4)));
        Assert.All(passing, x => Assert.Equal("parked", ReactionWords.Of(x, failures: 5)));
    }

    [Fact]
    public void What_the_api_wants_waited_for_longer_than_the_cli_waits_gets_the_longest_pause()
    {
        var options = new RunnerOptions();

        Assert.Equal(options.MaxBackoff, Pause(new ClaudeResult.ApiUnavailable(429, GaveUpAtOnce: true)));
        Assert.Equal(options.Backoff, Pause(new ClaudeResult.ApiUnavailable(429)));

        TimeSpan Pause(ClaudeResult result) =>
            Assert
                .IsType<Wake.Store.TurnRelease.Retry>(
                    Assert.IsType<Reaction.Release>(Reaction.For(result, 1, options, default)).How
                )
                .After;
    }

    static IEnumerable<JsonElement> Recordings(string version) =>
        File.ReadLines(Path.Combine(Repository.Root, "tests/Wake.Tests/Running/Recorded", $"{version}.jsonl"))
            .Select(x => JsonElement.Parse(x));

    static ClaudeOutput Feed(JsonElement recorded)
    {
        var output = new ClaudeOutput(Session, Message);
        foreach (var line in recorded.GetProperty("lines").EnumerateArray())
            output.ParseLine(Encoding.UTF8.GetBytes(line.GetRawText()));
        return output;
    }
}
