using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;
using Wake.Contracts.Http;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Terminals;

/// <summary>The hook that waits beside a session. It ends with 2 for an acknowledged wake and with 0 for everything
/// else.</summary>
[Trait("Starts", "processes")]
public sealed partial class WaitingForAWake : IAsyncLifetime
{
    const string Text = "CI of PR #7 failed – see „build“.\nSecond line.";

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
    public async Task A_wake_is_acknowledged_and_then_read_by_the_session()
    {
        using var waiter = await Waits();

        await wake.Wake(Text, number: 3);

        Assert.Equal(new CommandOutput(2, "", Text), await waiter.Output());
        var wait = wake.Of("wait").Single().As<TerminalWait>();
        Assert.Equal(
            new(wait.Terminal, wait.Waiter, 3, 7),
            wake.Of("acknowledge").Single().As<TerminalAcknowledgement>()
        );
        Assert.Equal((waiter.Shell.Id, Environment.MachineName), (wait.ProcessId, wait.Host));
    }

    [Fact]
    public async Task A_wake_that_is_no_longer_its_own_is_none_and_it_waits_on()
    {
        wake.Instead = (x, _) =>
            Task.FromResult(x.What == "acknowledge" && x.Body.Contains("\"wakeNumber\":1") ? Results.Conflict() : null);
        using var waiter = await Waits();

        await wake.Wake("first", number: 1);
        await Eventually.Holds(() => Task.FromResult(wake.Of("wait").Count == 2));
        Assert.False(waiter.HasEnded);
        await wake.Wake("second", number: 2);

        Assert.Equal(new CommandOutput(2, "", "second"), await waiter.Output());
    }

    [Fact]
    public async Task An_acknowledgement_whose_answer_is_lost_is_asked_for_again()
    {
        var asked = 0;
        wake.Instead = (x, context) =>
        {
            if (x.What == "acknowledge" && Interlocked.Increment(ref asked) < 3)
            {
                if (asked == 2)
                    return Task.FromResult<IResult?>(Results.StatusCode(503));
                context.Abort();
            }

            return Task.FromResult<IResult?>(null);
        };
        using var waiter = await Waits();

        await wake.Wake(Text);

        Assert.Equal(2, (await waiter.Output()).ExitCode);
        Assert.Equal(3, wake.Of("acknowledge").Count);
    }

    [Fact]
    public async Task It_ends_with_its_claude()
    {
        using var waiter = await Waits();
        var id = await waiter.Id;

        waiter.Shell.Kill();

        await Eventually.Holds(() => Task.FromResult(!MachineProcess.Runs(id)), "the waiter ends");
        await Eventually.Holds(() => Task.FromResult(wake.Waiting == 0), "the terminal is not attended");
    }

    [Fact]
    public async Task One_waits_for_a_session_in_a_terminal_whatever_number_of_hooks_arm_it()
    {
        using var hooks = claude.Start("wait", claude.Input("Stop"), times: 8);
        await Attended();

        await Eventually.Holds(() => Task.FromResult(MachineProcess.Children(hooks.Shell.Id).Count == 1));
        Assert.Single(wake.Of("wait"));
    }

    [Fact]
    public async Task A_restart_of_Wake_at_another_address_with_another_token_is_found_at_once()
    {
        using var waiter = await Waits();
        await wake.DisposeAsync();
        wake = await LoopbackTerminals.Start();

        claude.Serve(wake.Url, "wake_owner_second");
        await wake.Wake(Text);

        Assert.Equal(2, (await waiter.Output()).ExitCode);
        Assert.All(wake.Requests, x => Assert.Equal("Bearer wake_owner_second", x.Authorization));
    }

    [Fact]
    public async Task It_waits_through_errors_of_all_kinds()
    {
        var asked = 0;
        wake.Instead = (x, context) =>
        {
            if (x.What == "wait" && Interlocked.Increment(ref asked) <= 3)
            {
                return Task.FromResult<IResult?>(
                    asked switch
                    {
                        1 => Results.StatusCode(500),
                        2 => Results.Text("nonsense\n"),
                        _ => Results.Text("{\"type\":\"of next year\"}\n{\"type\":\"wake\"}\n"),
                    }
                );
            }

            return Task.FromResult<IResult?>(null);
        };
        using var waiter = await Waits();

        await wake.Wake(Text);

        Assert.Equal(2, (await waiter.Output()).ExitCode);
        Assert.Single(wake.Of("acknowledge"));
    }

    [Fact]
    public async Task What_it_was_sent_before_it_was_stopped_counts_only_if_it_is_still_its_own()
    {
        using var waiter = await Waits();
        var id = await waiter.Id;
        MachineProcess.Freeze(id);
        await wake.Wake("stale");
        wake.Instead = (x, _) => Task.FromResult(x.What == "acknowledge" ? Results.Conflict() : null);

        Process.Start("kill", ["-CONT", $"{id}"]).WaitForExit();

        await Eventually.Holds(() => Task.FromResult(wake.Of("acknowledge").Count == 1));
        await Eventually.Holds(() => Task.FromResult(wake.Of("wait").Count == 2));
        Assert.False(waiter.HasEnded);
    }

    [Fact]
    public async Task It_ends_where_Wake_does_not_know_the_session_or_has_nothing_to_wait_for()
    {
        wake.Instead = (_, _) => Task.FromResult<IResult?>(Results.NotFound());
        using var unknown = Start();
        Assert.Equal(new CommandOutput(0, "", ""), await unknown.Output());

        wake.Instead = (_, _) => Task.FromResult<IResult?>(null);
        using var waiter = await Waits();
        await wake.Send(new(TerminalLine.End, "another terminal has it"));

        Assert.Equal(new CommandOutput(0, "", ""), await waiter.Output());
    }

    [Fact]
    public async Task A_session_that_is_registered_a_moment_later_is_waited_for()
    {
        var asked = 0;
        wake.Instead = (x, _) =>
            Task.FromResult(x.What == "wait" && Interlocked.Increment(ref asked) <= 2 ? Results.NotFound() : null);

        using var waiter = await Waits();

        Assert.Equal(3, wake.Of("wait").Count);
    }

    [Fact]
    public async Task It_ends_when_its_claude_has_another_session_open()
    {
        using var waiter = Start();
        claude.Register(waiter);
        await Attended();

        claude.Register(waiter, session: Guid.NewGuid());

        Assert.Equal(new CommandOutput(0, "", ""), await waiter.Output());
    }

    [Fact]
    public async Task What_was_acknowledged_is_not_said_to_another_session()
    {
        var waiter = Start();
        claude.Register(waiter);
        await Attended();
        wake.Instead = (x, _) =>
        {
            if (x.What == "acknowledge")
                claude.Register(waiter, session: Guid.NewGuid());
            return Task.FromResult<IResult?>(null);
        };

        await wake.Wake(Text);

        Assert.Equal(new CommandOutput(0, "", ""), await waiter.Output());
    }

    [Fact]
    public async Task A_turn_that_ends_without_a_hook_is_told()
    {
        using var waiter = Start();
        claude.Register(waiter, status: "busy");
        await Attended();
        claude.Register(waiter, status: "idle");
        await Eventually.Holds(() => Task.FromResult(wake.Of("state").Count == 1));
        claude.Register(waiter, status: "waiting");
        await Eventually.Holds(() => Task.FromResult(wake.Of("state").Count == 2));
        // The turn is over, and a shell that it has left in the background is not.
        claude.Register(waiter, status: "shell");
        await Eventually.Holds(() => Task.FromResult(wake.Of("state").Count == 3));

        Assert.Equal([true, false, true], wake.Of("state").Select(x => x.As<TerminalState>().Idle));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_wake_that_its_person_has_put_back_before_it_was_written_down_is_told_as_that(bool written)
    {
        const string prompt =
            "<task-notification>\n<summary>Event from Wake</summary>\n</task-notification>\n"
            + "<wake-events-240d940b0fdb5c558d9b22f0093fe92f trust=\"untrusted\">\n1. CI failed";
        Write($"{{\"text\":\"{new string('x', 100_000)}\"}}\n");
        using var waiter = claude.Start(
            "wait",
            claude.Input("UserPromptSubmit", ("prompt", prompt)),
            x => claude.Register(x, status: "busy")
        );
        await Attended();
        if (written)
            File.AppendAllText(claude.Transcript, JsonSerializer.Serialize(new { text = prompt }) + "\n");

        claude.Register(waiter, status: "idle");

        await Eventually.Holds(() => Task.FromResult(wake.Of("state") is [.., var x] && x.As<TerminalState>().Idle));
        Assert.Equal(!written, wake.Of("state")[^1].As<TerminalState>().Unread);
    }

    [Fact]
    public async Task One_that_a_tool_of_a_terminal_has_started_is_none()
    {
        using var waiter = Start("SessionStart", entrypoint: "sdk-cli");

        Assert.Equal(new CommandOutput(0, "", ""), await waiter.Output());
        Assert.Empty(wake.Requests);
    }

    [Fact]
    public async Task The_transcript_is_sent_in_whole_rows_as_it_grows()
    {
        Write("{\"a\":1}\n{\"b\":2}\n{\"torn");
        var tool = Path.Combine(Path.ChangeExtension(claude.Transcript, null), "tool-results", "x y.txt");
        Directory.CreateDirectory(Path.GetDirectoryName(tool)!);
        File.WriteAllText(tool, "long\nresult without an end");
        using var waiter = await Waits();
        await Stores("", "{\"a\":1}\n{\"b\":2}\n", rows: 2);
        await Stores("tool-results/x y.txt", "long\nresult without an end", rows: 0);

        File.AppendAllText(claude.Transcript, "\":3}\n");
        await Stores("", "{\"a\":1}\n{\"b\":2}\n{\"torn\":3}\n", rows: 3);

        // Somebody else has gone on with it.
        wake.Stored[""] = "{\"a\":1}\n"u8.ToArray();
        File.AppendAllText(claude.Transcript, "{\"c\":4}\n");
        await Stores("", "{\"a\":1}\n{\"b\":2}\n{\"torn\":3}\n{\"c\":4}\n", rows: 4);
        wake.Stored[""] = "{\"other\":1}\n"u8.ToArray();
        File.AppendAllText(claude.Transcript, "{\"d\":5}\n");
        await Stores("", "{\"a\":1}\n{\"b\":2}\n{\"torn\":3}\n{\"c\":4}\n{\"d\":5}\n", rows: 5);
    }

    [Fact]
    public async Task A_long_transcript_is_sent_in_parts_and_what_is_stored_is_not_sent_again()
    {
        var row = $"{{\"text\":\"{new string('x', 1_000_000)}\"}}\n";
        Write(string.Concat(Enumerable.Repeat(row, 9)));
        using (var first = await Waits())
        {
            await Stores("", string.Concat(Enumerable.Repeat(row, 9)), rows: 9);
            Assert.Equal(3, wake.Of("transcript").Count(x => x.Body.Length > 0));
            await wake.Wake(Text);
            await first.Output();
        }

        using var second = await Waits();
        File.AppendAllText(claude.Transcript, "{}\n");
        await Stores("", string.Concat(Enumerable.Repeat(row, 9)) + "{}\n", rows: 10);
        Assert.Equal("{}\n", wake.Of("transcript")[^1].Body);
        Assert.True(Resident(await second.Id) <= 20_000, $"{Resident(await second.Id)} kB");
    }

    [Fact]
    public async Task A_session_that_went_on_elsewhere_is_not_replaced_by_an_old_copy_until_somebody_speaks_in_it()
    {
        Write("{\"a\":1}\n");
        var elsewhere = wake.Stored[""] = "{\"a\":1}\n{\"b\":2}\n"u8.ToArray();
        using var waiter = await Waits();
        await Eventually.Holds(() => Task.FromResult(wake.Of("transcript").Count >= 1));
        Write("{\"a\":1}\n", "sub.jsonl");
        await Stores("sub.jsonl", "{\"a\":1}\n", rows: 1);
        Assert.Equal(elsewhere, wake.Stored[""]);

        File.AppendAllText(claude.Transcript, "{\"c\":3}\n");

        await Stores("", "{\"a\":1}\n{\"c\":3}\n", rows: 2);
    }

    [Fact]
    public async Task Its_text_for_the_status_line_is_shown_until_it_is_another_one_or_the_session_ends()
    {
        var waiter = Start();
        claude.Register(waiter);
        await Attended();
        Assert.Equal("", await StatusLine());

        await wake.Send(new(TerminalLine.Status, "2 notes – „läuft“"));
        await Eventually.Holds(async () => await StatusLine() == "2 notes – „läuft“\n");
        await wake.Send(new(TerminalLine.Status, "3 notes"));
        await Eventually.Holds(async () => await StatusLine() == "3 notes\n");
        await wake.Send(new(TerminalLine.Status, ""));
        await Eventually.Holds(async () => await StatusLine() == "");

        await wake.Send(new(TerminalLine.Status, "4 notes"));
        await Eventually.Holds(async () => await StatusLine() == "4 notes\n");
        claude.Register(waiter, session: Guid.NewGuid());
        await Eventually.Holds(async () => await StatusLine() == "");
    }

    [Fact]
    public async Task Waiting_takes_little_memory_and_next_to_no_time()
    {
        Write(string.Concat(Enumerable.Repeat("{\"text\":\"0123456789\"}\n", 100_000)));
        using var waiter = Start();
        claude.Register(waiter);
        await Attended();
        await Eventually.Holds(() => Task.FromResult(wake.StoredRows.GetValueOrDefault("") == 100_000));
        var id = await waiter.Id;

        // As in a month.
        for (var line = 0; line < 50_000; line++)
            await wake.Send(new(TerminalLine.Status, $"{line} notes"));
        await Eventually.Holds(async () => await StatusLine() == "49999 notes\n");
        await Task.Delay(TimeSpan.FromSeconds(2));
        var before = ProcessorTicks(id);
        var watch = Stopwatch.StartNew();
        await wake.Send(new(TerminalLine.Ping, null));
        await Task.Delay(TimeSpan.FromSeconds(20));
        var used = (ProcessorTicks(id) - before) / 100.0 / watch.Elapsed.TotalSeconds;

        Assert.True(Resident(id) <= 20_000, $"{Resident(id)} kB");
        // In ticks of 10 ms, of which one more or less is nothing.
        Assert.True(used <= 0.001 + 0.01 / watch.Elapsed.TotalSeconds, $"{used:P3} of a core");
    }

    StartedHook Start(string happened = "SessionStart", string? entrypoint = null)
    {
        var input = claude.Input(happened);
        if (entrypoint is null)
            return claude.Start("wait", input);

        // It is registered before its hooks run.
        return claude.Start("wait", input, x => claude.Register(x, entrypoint: entrypoint));
    }

    async Task<StartedHook> Waits()
    {
        var waiter = Start();
        await Attended();
        return waiter;
    }

    Task Attended() => Eventually.Holds(() => Task.FromResult(wake.Waiting == 1), "the terminal is attended");

    async Task<string> StatusLine()
    {
        var said = await claude.Run("statusline", $"{{\"session_id\":\"{claude.Session}\",\"model\":{{}}}}");
        Assert.Equal((0, ""), (said.ExitCode, said.Errors));
        return said.Output;
    }

    void Write(string content, string? part = null)
    {
        var file = part is null ? claude.Transcript : Path.Combine(Path.ChangeExtension(claude.Transcript, null), part);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, content);
    }

    async Task Stores(string path, string content, int rows)
    {
        await Eventually.Holds(
            () => Task.FromResult(Encoding.UTF8.GetString(wake.Stored.GetValueOrDefault(path) ?? []) == content),
            $"'{path}' is stored"
        );
        Assert.Equal(rows, wake.StoredRows[path]);
    }

    static int Resident(int id) =>
        int.Parse(ResidentSize().Match(File.ReadAllText($"/proc/{id}/status")).Groups[1].Value);

    static long ProcessorTicks(int id) =>
        File.ReadAllText($"/proc/{id}/stat").Split(") ")[1].Split(' ') is var fields
            ? long.Parse(fields[11]) + long.Parse(fields[12])
            : 0;

    [GeneratedRegex(@"VmRSS:\s+(\d+) kB")]
    private static partial Regex ResidentSize();
}
