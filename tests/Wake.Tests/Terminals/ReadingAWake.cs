using Microsoft.AspNetCore.Http;
using Wake.Contracts.Http;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Terminals;

/// <summary>
/// From the acknowledgement of a wake to the end of its turn: what passes without being asked about, and in which order
/// Wake is told.
/// </summary>
[Trait("Starts", "processes")]
public sealed class ReadingAWake : IAsyncLifetime
{
    const string Block = "<wake-events-240d940b0fdb5c558d9b22f0093fe92f trust=\"untrusted\">\n1. CI failed\n";

    const string Prompt =
        "<task-notification>\n<summary>Event from Wake</summary>\n</task-notification>\nWake has something for this "
        + "session: "
        + Block;

    LoopbackTerminals wake = null!;
    HookProcess claude = null!;

    public async Task InitializeAsync()
    {
        await NativeTerminal.Executable;
        claude = new((wake = await LoopbackTerminals.Start()).Url);
    }

    public async Task DisposeAsync()
    {
        claude.Dispose();
        await wake.DisposeAsync();
    }

    [Fact]
    public async Task What_was_just_acknowledged_is_read_without_asking_and_told_before_its_end()
    {
        var said = await Woken(Submitted(Prompt), ("hook", claude.Input("Stop")));

        Assert.All(said.Skip(1), x => Assert.Equal(new(0, "", ""), x));
        var told = Told();
        Assert.Equal(["UserPromptSubmit", "Stop"], told.Select(x => x.Event));
        // As the gateway looks for it.
        Assert.StartsWith("<wake-events-240d940b0fdb5c558d9b22f0093fe92f", told[0].Prompt);
    }

    [Fact]
    public async Task The_next_one_that_waits_tells_it_before_it_attends_the_session()
    {
        var begins = claude.Input("UserPromptSubmit", ("prompt", Prompt));
        var ended = Woken(Submitted(Prompt), ("wait", begins));
        await Eventually.Holds(() => Task.FromResult(wake.Of("wait").Count == 2 && wake.Waiting == 1));
        await wake.Wake("the next");
        await ended;

        Assert.Equal(
            ["wait", "acknowledge", "hooks", "wait"],
            wake.Requests.Select(x => x.What).Where(x => x is not "state" and not "transcript").Take(4)
        );
        Assert.Equal("UserPromptSubmit", Assert.Single(Told()).Event);
    }

    [Fact]
    public async Task It_passes_once_and_only_as_it_was_acknowledged()
    {
        var other = Prompt.Replace("240d", "340d", StringComparison.Ordinal);
        wake.Answer = new(null, null, "not this terminal's any more");

        var said = await Woken(Submitted(other), Submitted(Prompt));
        await Eventually.Holds(() => Task.FromResult(wake.Waiting == 0));
        var again = await Woken(Submitted(Prompt), Submitted(Prompt));

        Assert.All([said[1], said[2], again[2]], x => Assert.Contains("\"block\"", x.Output));
        Assert.Equal("", again[1].Output);
    }

    [Fact]
    public async Task What_is_typed_first_has_Wake_asked_whose_the_turn_is()
    {
        await Woken(Submitted("typed"), ("hook", claude.Input("Stop")), Submitted(Prompt));

        Assert.Equal([null, null, Prompt], Told().Select(x => x.Prompt));
    }

    [Fact]
    public async Task Of_an_acknowledgement_that_is_older_than_its_validity_Wake_is_asked()
    {
        // As behind a turn, or after a sleep of the machine.
        await Woken(("sleep 5.1", ""), Submitted(Prompt));

        Assert.Equal(Prompt, Assert.Single(Told()).Prompt);
    }

    [Theory]
    [InlineData(503)]
    // As by a Wake that was started anew, with another credential.
    [InlineData(401)]
    [InlineData(429)]
    public async Task While_Wake_does_not_hear_of_the_beginning_it_is_not_told_of_the_end(int status)
    {
        wake.Instead = (x, _) =>
            Task.FromResult(
                x.What == "hooks" && x.Body.Contains("wake-events", StringComparison.Ordinal)
                    ? Results.StatusCode(status)
                    : null
            );

        var said = await Woken(Submitted(Prompt), ("hook", claude.Input("Stop")));
        wake.Instead = (_, _) => Task.FromResult<IResult?>(null);

        Assert.All(said.Skip(1), x => Assert.Equal(new(0, "", ""), x));
        Assert.DoesNotContain(Told(), x => x.Event == "Stop");
    }

    (string, string) Submitted(string prompt) => ("hook", claude.Input("UserPromptSubmit", ("prompt", prompt)));

    IReadOnlyList<TerminalHook> Told() => [.. wake.Of("hooks").Select(x => x.As<TerminalHook>())];

    // Waits, is woken, and runs the others, all beside the same claude.
    async Task<IReadOnlyList<CommandOutput>> Woken(params (string, string)[] hooks)
    {
        var ended = claude.RunInTurn([("wait", claude.Input("SessionStart")), .. hooks]);
        await wake.Wake(Block);
        var said = await ended;
        Assert.Equal((2, Block), (said[0].ExitCode, said[0].Errors));
        return said;
    }
}
