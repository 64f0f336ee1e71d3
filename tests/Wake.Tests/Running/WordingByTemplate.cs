using System.Text.Json;
using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.Prompting;
using Wake.Tests.Support;
using static Wake.Tests.Support.TurnSamples;

namespace Wake.Tests.Running;

/// <summary>The templates of the prompts: which one is taken, an owner's own, and what is wrong with one.</summary>
[Trait("Starts", "processes")]
public sealed class WordingByTemplate : IDisposable
{
    readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    WakePrompt Prompt => new(new PromptTemplates(folder.Path));

    [Theory]
    [InlineData("ci.check_failed", "ci")]
    [InlineData("ci", "ci")]
    [InlineData("github.ci.completed", "ci")]
    [InlineData("forgejo.ci.completed", "ci")]
    [InlineData("github.pull_request.merged", "pull_request")]
    [InlineData("github.pull_request.review_submitted", "pull_request.review_submitted")]
    [InlineData("ci_old.completed", "event")]
    [InlineData("GitHub.CI.completed", "event")]
    [InlineData("build.failed", "event")]
    [InlineData(".ci.", "ci")]
    [InlineData("...", "event")]
    [InlineData(" ", "event")]
    public void The_most_particular_template_of_a_type_is_taken(string type, string taken) =>
        Assert.StartsWith(
            $"{taken}.",
            new PromptTemplates(folder: null).ChooseTemplate(Event("x", type), remembers: false)
        );

    [Fact]
    public void The_built_in_templates_would_be_accepted_from_an_owner()
    {
        // At a start only an owner's are tried.
        foreach (var file in PromptTemplateFile.LoadAll(folder: null))
            Write(file.Name, file.Text);

        Assert.Null(Record.Exception(() => new PromptTemplates(folder.Path)));
    }

    [Fact]
    public void A_template_of_the_whole_type_comes_before_one_of_its_beginning()
    {
        Write("github.ci.full", "GitHub's");
        Write("ci.completed.full", "completed");
        Assert.Contains("completed", Prompt.RenderPrompt(Turn(Event("x", "github.ci.completed")).InNewSession()));
        Assert.Contains("GitHub's", Prompt.RenderPrompt(Turn(Event("x", "github.ci.started")).InNewSession()));
    }

    [Fact]
    public void A_session_that_remembers_is_told_the_delta_and_a_new_one_everything()
    {
        Write("build.full", "All about {{count}} builds.");
        Write("build.delta", "A build.");
        var turn = Turn(Event("x", "build.failed"), Event("y", "build.mended"));

        Assert.Contains("\nA build.\n", Prompt.RenderPrompt(turn));
        Assert.Contains(
            "\nA build.\n",
            Prompt.RenderPrompt(
                turn.InNewSession() with
                {
                    LastAcknowledgedAttempt = 1,
                    ClaudeSession = new(Guid.Empty, Opened: true, "first", 7),
                }
            )
        );
        Assert.Contains("\nAll about 2 builds.\n", Prompt.RenderPrompt(turn.InNewSession()));
        Assert.Contains(
            "\nAll about 2 builds.\n",
            Prompt.RenderPrompt(turn.InNewSession("the one before it could not be resumed"))
        );
    }

    [Fact]
    public void Without_a_delta_everything_is_told_again()
    {
        Write("build.full", "All about builds.");

        Assert.Contains("\nAll about builds.\n", Prompt.RenderPrompt(Turn(Event("x", "build.failed"))));
    }

    [Fact]
    public void What_is_said_once_is_the_same_for_all_and_takes_the_place_of_both()
    {
        Write("ci.once", "CI again.");
        var turn = Turn(Event("x", "ci.check_failed"));

        Assert.Contains("\nCI again.\n", Prompt.RenderPrompt(turn));
        Assert.Contains("\nCI again.\n", Prompt.RenderPrompt(turn.InNewSession()));
    }

    [Fact]
    public void A_full_one_takes_the_place_of_a_built_in_one_that_is_said_once()
    {
        Write("wake.requested.full", "Somebody calls.");
        Assert.Contains(
            "\nSomebody calls.\n",
            Prompt.RenderPrompt(Turn(Event("x", "wake.requested") with { IsWakeRequest = true }))
        );
    }

    // By a field that no event can set, and by no type, however it came into the store.
    [Theory]
    [InlineData("wake.requested")]
    [InlineData("x.wake.requested")]
    [InlineData("wake.requested.again")]
    [InlineData("x.wake")]
    public void What_is_asked_for_is_worded_so_where_wake_itself_says_it_alone(string type)
    {
        Write("wake.full", "Wake says so.");

        Assert.DoesNotContain("This turn was asked for", Prompt.RenderPrompt(Turn(Event("x", type))));
        Assert.DoesNotContain("Wake says so.", Prompt.RenderPrompt(Turn(Event("x", type))));
        Assert.Contains(
            type is "x.wake" ? "Wake says so." : "This turn was asked for",
            Prompt.RenderPrompt(Turn(Event("x", type) with { IsWakeRequest = true }))
        );
    }

    [Fact]
    public void A_wake_about_several_types_has_the_advice_of_each_once_in_the_order_observed()
    {
        Write("b.once", "Advice of b.");
        Write("a.once", "Advice of a.");
        Write("c.once", "Advice of c.");
        var prompt = Prompt.RenderPrompt(
            Turn(Event("1", "b.x"), Event("2", "a"), Event("3", "c") with { Wakes = false }, Event("4", "b.y"))
        );

        Assert.Contains("\nAdvice of b.\n\nAdvice of a.\n", prompt);
        Assert.DoesNotContain("Advice of c.", prompt);
        Assert.Equal(2, prompt.Split("Advice of b.").Length);
        Assert.Contains("Advice of c.", Prompt.RenderPrompt(Turn(Event("3", "c") with { Wakes = false })));
    }

    [Fact]
    public void A_frame_can_put_the_block_where_it_likes_and_leaves_the_text_as_it_is()
    {
        Write(
            "frame",
            "{{advice}}\r\n\r\n{{#if recap}}\r\n{{recap}}\r\n{{/if}}\r\n{{events}}\r\n\r\nBye & <thanks>.\r\n"
        );
        var prompt = Prompt.RenderPrompt(Turn(Event("""<b> & "quotes" """, "build.failed")));

        Assert.StartsWith("Decide what it means for the work of this session.\n\n<wake-events-", prompt);
        Assert.Contains("\n1. <b> & \"quotes\" \n", prompt);
        Assert.EndsWith("\n\nBye & <thanks>.", prompt);
    }

    [Theory]
    [InlineData(
        "ci.full",
        "{{#if one}}never ended",
        "cannot be used: Reached end of template before block expression 'if' was closed"
    )]
    [InlineData("ci.full", "{{one", "cannot be used: Reached end of template")]
    [InlineData("ci.delta", "{{reason}}", "cannot be used: reason is undefined")]
    [InlineData("ci.full", "{{#if one}}{{else}}{{many}}{{/if}}", "cannot be used: many is undefined")]
    [InlineData("ci.full", "{{events}}", "cannot be used: events is undefined")]
    [InlineData("ci.full", "{{> header}}", "cannot be used: Referenced partial name 'header' could not be resolved")]
    [InlineData("frame", "{{#if again}}{{agian}}{{/if}}\n{{recap}}\n{{events}}", "cannot be used: agian is undefined")]
    [InlineData("frame", "Something happened.", "must show {{events}} once")]
    [InlineData("frame", "{{recap}}\n{{events}}\n{{events}}", "must show {{events}} once")]
    [InlineData("frame", "{{recap}}\nEvents: {{events}}", "must show {{events}} once")]
    [InlineData("frame", "{{recap}}\n{{#if one}}\n{{events}}\n{{/if}}", "must show {{events}} once")]
    [InlineData("frame", "{{recap}}\n{{#each events}}{{this}}{{/each}}", "must show {{events}} once")]
    [InlineData("frame", "{{events}}", "must show {{recap}} once")]
    [InlineData("frame", "{{recap}}\n{{events}}\n{{data 10}}", "cannot say {{data}}")]
    [InlineData("ci.full", "{{data 10}} {{data 20}}", "must say {{data}} once at most, with a number up to 10000.")]
    [InlineData("ci.full", "{{data 10001}}", "must say {{data}} once at most")]
    [InlineData("ci.full", "{{data 99999999999}}", "must say {{data}} once at most")]
    [InlineData("ci.full", "{{data}}", "cannot be used: data is undefined")]
    [InlineData("ci", "x", "has the name of no template")]
    [InlineData(".full", "x", "has the name of no template")]
    public void What_is_wrong_with_a_template_is_said_with_its_name(string name, string text, string problem)
    {
        Write(name, text);

        var wrong = Assert.Throws<OptionsValidationException>(() => new PromptTemplates(folder.Path));
        Assert.StartsWith($"The template {folder.File($"{name}.hbs")} {problem}", wrong.Message);
    }

    [Fact]
    public void A_template_says_how_much_of_the_data_is_read()
    {
        Write("ci.full", "All about CI.\n{{data 25}}");
        Write("ci.delta", "CI.{{data 0}}");
        var text = new string('x', 3000);
        var failed = Turn(Event("failed", "github.ci.completed") with { Data = text });
        var prompt = new WakePrompt(new(folder.Path));

        Assert.DoesNotContain("its data", prompt.RenderPrompt(failed));
        Assert.Contains($"   its data: {new string('x', 25)} […]\n", prompt.RenderPrompt(failed.InNewSession()));
        Assert.Contains("\n\nAll about CI.\n\n", prompt.RenderPrompt(failed.InNewSession()));
        Assert.Contains(
            $"   its data: {text[..PromptTemplates.DefaultDataLimit]} […]\n",
            prompt.RenderPrompt(Turn(Event("merged") with { Data = text }))
        );
    }

    [Fact]
    public void Two_templates_that_contradict_each_other_are_refused()
    {
        Write("ci.once", "x");
        Write("ci.delta", "x");

        Assert.Contains(
            "does not go with",
            Assert.Throws<OptionsValidationException>(() => new PromptTemplates(folder.Path)).Message
        );
    }

    [Theory]
    [InlineData("Wake.Runner", Transport.RabbitMq)]
    [InlineData("Wake.Gateway", Transport.RabbitMq)]
    [InlineData("Wake.Standalone", Transport.InMemory)]
    public async Task A_template_that_is_wrong_stops_the_start(string service, Transport transport)
    {
        Write("ci.full", "{{nothing}}");
        await using var system = await WakeSystem.Create(transport);

        var failure = await Assert.ThrowsAsync<InvalidOperationException>(() =>
            system.StartProcess(service, new Dictionary<string, string> { ["Prompts__Folder"] = folder.Path })
        );

        Assert.Contains(
            $"The template {folder.File("ci.full.hbs")} cannot be used: nothing is undefined",
            failure.Message
        );
    }

    [Fact]
    public async Task A_session_reads_what_its_owner_wrote_and_the_link_and_the_excerpt_of_what_happened()
    {
        Write("test.full", "All about tests.");
        Write("test.delta", "A test.");
        await using var system = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string> { ["Prompts__Folder"] = folder.Path }
        );
        var key = await system.WatchingSession();

        await Wakes("first", """{"url":"https://ci.example/1"}""");
        await Wakes("second", """{"url":"https://ci.example/2","text":"\u0000","excerpt":"expected 4\r\ngot 5"}""");

        var said = FakeTranscript.Of(system, await system.Show(key)).UserMessages;
        Assert.Contains("All about tests.", said[0]);
        Assert.Contains("   more at https://ci.example/1\n", said[0]);
        Assert.Contains("A test.", said[1]);
        Assert.Contains(
            "   more at https://ci.example/2\n   its data: {\"text\":\"\\u0000\"}\n   an excerpt:\n   | expected "
                + "4\n   | got 5\n",
            said[1]
        );

        async Task Wakes(string fact, string data)
        {
            await system.Publish(
                WakeSystem.Event(WakeSystem.Subject(key), fact) with
                {
                    Data = JsonElement.Parse(data),
                }
            );
            Assert.Equal(TurnOutcome.Completed, (await system.WaitForTurnEnd(key, fact == "first" ? 1 : 2)).Outcome);
        }
    }

    void Write(string name, string text) => File.WriteAllText(folder.File($"{name}.hbs"), text);
}
