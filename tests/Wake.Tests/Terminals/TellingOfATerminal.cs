using System.Diagnostics;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Wake.Contracts.Http;
using Wake.Tests.Support;

namespace Wake.Tests.Terminals;

/// <summary>What the hooks of a terminal tell Wake, and what they print. A hook that fails disturbs a person, so it
/// never does.</summary>
[Trait("Starts", "processes")]
public sealed class TellingOfATerminal : IAsyncLifetime
{
    LoopbackTerminals wake = null!;
    HookProcess claude = null!;

    public async Task InitializeAsync() => claude = new((wake = await LoopbackTerminals.Start()).Url);

    public async Task DisposeAsync()
    {
        claude.Dispose();
        await wake.DisposeAsync();
    }

    [Fact]
    public async Task A_start_is_told_and_what_Wake_answers_is_printed_for_the_session_and_the_person()
    {
        wake.Answer = new("Wake took 2 turns – „über Nacht“.", "2 turns while you were away", null);

        var said = await claude.Run("hook", claude.Input("SessionStart", ("source", "resume")));

        Assert.Equal((0, ""), (said.ExitCode, said.Errors));
        var output = JsonElement.Parse(said.Output);
        Assert.Equal("SessionStart", output.GetProperty("hookSpecificOutput").GetProperty("hookEventName").GetString());
        Assert.Equal(
            wake.Answer.Context,
            output.GetProperty("hookSpecificOutput").GetProperty("additionalContext").GetString()
        );
        Assert.Equal(wake.Answer.Message, output.GetProperty("systemMessage").GetString());

        var request = Assert.Single(wake.Of("hooks"));
        Assert.Equal((claude.Session, "Bearer wake_owner_first"), (request.Session, request.Authorization));
        var hook = request.As<TerminalHook>();
        Assert.Equal(
            ("SessionStart", "resume", claude.Workspace, true, Environment.MachineName),
            (hook.Event, hook.Source, hook.Workspace, hook.Register, hook.Host)
        );
        Assert.Matches($@"^\S+:[0-9a-f]{{8}}:{hook.ProcessId}:\d+$", hook.Terminal);
    }

    [Fact]
    public async Task Of_what_a_person_types_nothing_is_told_and_of_a_wake_its_text()
    {
        const string Own = "<task-notification>\n<summary>Event from Wake</summary>\n</task-notification>\n...";
        foreach (
            var prompt in (string[])
                [
                    "my secret",
                    "<task-notification>\n<summary>Background command \"make\" completed</summary>",
                    Own,
                    "please explain " + Own,
                ]
        )
            await claude.Run("hook", claude.Input("UserPromptSubmit", ("prompt", prompt)));

        Assert.Equal([null, null, Own, null], wake.Of("hooks").Select(x => x.As<TerminalHook>().Prompt));
        Assert.DoesNotContain(wake.Requests, x => x.Body.Contains("secret"));
    }

    [Fact]
    public async Task A_prompt_can_be_refused_and_nothing_else()
    {
        wake.Answer = new("context", "message", "A runner is at work in this session.");

        var prompt = JsonElement.Parse((await claude.Run("hook", claude.Input("UserPromptSubmit"))).Output);
        var stop = JsonElement.Parse((await claude.Run("hook", claude.Input("Stop"))).Output);

        Assert.Equal("block", prompt.GetProperty("decision").GetString());
        Assert.Equal(wake.Answer.Block, prompt.GetProperty("reason").GetString());
        // A context at the end of a turn would begin another one.
        Assert.Equal(["systemMessage"], stop.EnumerateObject().Select(x => x.Name));
    }

    [Fact]
    public async Task A_failure_and_an_end_say_why_and_a_compaction_that_failed_is_no_turn()
    {
        await claude.Run("hook", claude.Input("StopFailure", ("error", "server_error")));
        await claude.Run("hook", claude.Input("StopFailure", ("error", "unknown"), ("agent_id", "a1")));
        await claude.Run("hook", claude.Input("SessionEnd", ("reason", "clear")));

        Assert.Equal(["server_error", "clear"], wake.Of("hooks").Select(x => x.As<TerminalHook>().Reason));
    }

    [Fact]
    public async Task A_session_that_began_before_Wake_is_registered_at_its_next_prompt()
    {
        var known = false;
        wake.Instead = (request, _) =>
        {
            known |= request.As<TerminalHook>() is { Event: "SessionStart", Register: true };
            return Task.FromResult(known ? null : Results.NotFound());
        };

        await claude.Run("hook", claude.Input("Stop"));
        await claude.Run("hook", claude.Input("UserPromptSubmit"));

        Assert.Equal(
            ["Stop", "UserPromptSubmit", "SessionStart", "UserPromptSubmit"],
            wake.Of("hooks").Select(x => x.As<TerminalHook>().Event)
        );
    }

    [Theory]
    [InlineData("CLAUDE_CODE_ENTRYPOINT", "sdk-cli")]
    [InlineData("CLAUDE_CODE_ENTRYPOINT", "")]
    [InlineData("WAKE_RUN", "1")]
    [InlineData("WAKE_RUN_TOKEN", "wake_run_x")]
    public async Task A_session_that_no_person_has_open_says_nothing(string variable, string value)
    {
        claude.Environment[variable] = value;

        foreach (var verb in (string[])["hook", "wait"])
            Assert.Equal(new CommandOutput(0, "", ""), await claude.Run(verb, claude.Input("SessionStart")));

        Assert.Empty(wake.Requests);
    }

    [Theory]
    [InlineData("nothing runs")]
    [InlineData("no Wake was ever here")]
    [InlineData("500")]
    [InlineData("404")]
    [InlineData("401")]
    [InlineData("nonsense")]
    [InlineData("null")]
    [InlineData("an answer cut off")]
    [InlineData("a redirection")]
    [InlineData("endpoint.json is nonsense")]
    public async Task Whatever_is_wrong_with_Wake_it_says_nothing(string wrong)
    {
        switch (wrong)
        {
            case "nothing runs":
                await wake.DisposeAsync();
                break;
            case "no Wake was ever here":
                claude.Environment["WAKE_DATA"] = "/nonexistent";
                break;
            case "endpoint.json is nonsense":
                File.WriteAllText(Path.Combine(claude.Environment["WAKE_DATA"], "endpoint.json"), "{\"Url\":7}");
                break;
            default:
                wake.Instead = async (_, context) =>
                {
                    if (wrong == "an answer cut off")
                    {
                        context.Response.ContentLength = 100;
                        await context.Response.WriteAsync("{\"context\":");
                        context.Abort();
                    }

                    return wrong switch
                    {
                        "nonsense" => Results.Text("<html>"),
                        "null" => Results.Text("null"),
                        "a redirection" => Results.Redirect("http://127.0.0.1:1/"),
                        "an answer cut off" => Results.Empty,
                        _ => Results.StatusCode(int.Parse(wrong)),
                    };
                };
                break;
        }

        Assert.Equal(new CommandOutput(0, "", ""), await claude.Run("hook", claude.Input("SessionStart")));
        Assert.Equal(new CommandOutput(0, "", ""), await claude.Run("hook", claude.Input("UserPromptSubmit")));
    }

    [Theory]
    [InlineData("")]
    [InlineData("nonsense")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("{\"session_id\":\"x\",\"hook_event_name\":\"Stop\"}")]
    [InlineData("{\"session_id\":7}")]
    public async Task Whatever_it_is_told_it_says_nothing(string input)
    {
        foreach (var verb in (string[])["hook", "wait", "statusline", "nonsense"])
            Assert.Equal(new CommandOutput(0, "", ""), await claude.Run(verb, input));

        Assert.Empty(wake.Requests);
    }

    [Theory]
    [InlineData("UserPromptSubmit", 3.5)]
    [InlineData("SessionEnd", 1.45)]
    public async Task It_does_not_wait_for_a_Wake_that_hangs(string happened, double seconds)
    {
        wake.Instead = async (_, context) =>
        {
            await Task.Delay(Timeout.Infinite, context.RequestAborted)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return Results.Empty;
        };
        await claude.Run("statusline", "");

        var watch = Stopwatch.StartNew();
        Assert.Equal(new CommandOutput(0, "", ""), await claude.Run("hook", claude.Input(happened)));
        Assert.True(watch.Elapsed.TotalSeconds < seconds, $"{watch.Elapsed}");
    }

    [Fact]
    public async Task An_address_that_the_environment_names_counts_with_its_key_and_registers_nobody_by_itself()
    {
        claude.Environment["WAKE_DATA"] = "/nonexistent";
        claude.Environment["WAKE_URL"] = $"{wake.Url}";
        claude.Environment["WAKE_API_KEY"] = "wake_key_x";

        await claude.Run("hook", claude.Input("SessionStart"));
        var plugin = Directory.CreateDirectory(Path.Combine(claude.Workspace, "plugin")).FullName;
        File.WriteAllText(Path.Combine(plugin, "wake.json"), """{"register":true}""");
        claude.Environment["CLAUDE_PLUGIN_ROOT"] = plugin;
        await claude.Run("hook", claude.Input("SessionStart"));

        Assert.Equal([false, true], wake.Of("hooks").Select(x => x.As<TerminalHook>().Register));
        Assert.All(wake.Requests, x => Assert.Equal("Bearer wake_key_x", x.Authorization));
    }
}
