using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>A monitor on this machine writes events to the socket, one per line, and reads what was decided.</summary>
[Trait("Starts", "processes")]
public sealed class TalkingToTheSocket(StandaloneSystem shared) : IClassFixture<StandaloneSystem>
{
    readonly WakeSystem wake = shared.System;

    [Fact]
    public async Task A_line_is_an_event_and_is_answered_with_the_decision()
    {
        var key = await wake.WatchingSession();
        using var monitor = new Monitor(wake);

        var routed = await monitor.Says(
            $$"""{"type":"disk.full","subject":"{{WakeSystem.Subject(key)}}","reason":"The disk is full","dedupKey":"disk of {{key}}"}"""
        );
        var again = await monitor.Says(
            $$"""{"type":"disk.full","subject":"{{WakeSystem.Subject(key)}}","reason":"Still full","dedupKey":"disk of {{key}}"}"""
        );

        Assert.Equal("routed", routed.GetProperty("outcome").GetString());
        Assert.Equal(key, routed.GetProperty("sessions")[0].GetString());
        Assert.Equal("duplicate", again.GetProperty("outcome").GetString());
        Assert.Equal(["The disk is full"], (await wake.WaitForTurnEnd(key, 1)).Reasons);
    }

    [Theory]
    [InlineData("nonsense", "not JSON")]
    [InlineData("[]", "no array")]
    [InlineData("{}", "required members are missing")]
    [InlineData("""{"type":"t","subject":"a\u0000b","reason":"r"}""", "U+0000")]
    public async Task A_line_that_is_no_event_is_answered_with_what_is_wrong_and_the_next_one_is_taken(
        string line,
        string problem
    )
    {
        using var monitor = new Monitor(wake);

        Assert.Contains(problem, (await monitor.Says(line)).GetProperty("problem").GetString());
        Assert.Equal(
            "unwatched",
            (await monitor.Says("""{"type":"t","subject":"s","reason":"fine"}""")).GetProperty("outcome").GetString()
        );
    }

    [Fact]
    public async Task What_was_not_taken_as_it_came_is_answered()
    {
        using var monitor = new Monitor(wake);

        var answer = await monitor.Says("\uFEFF{\"type\":\"t\",\"subject\":\"s\",\"reason\":\"\",\"time\":\"noon\"}");

        Assert.Equal(
            ["time cannot be read as a moment and was left out.", "reason is blank and was left out."],
            answer.GetProperty("warnings").EnumerateArray().Select(x => x.GetString())
        );
    }

    [Fact]
    public async Task A_line_without_end_is_cut_off_and_others_are_served()
    {
        using var endless = new Monitor(wake);
        using var good = new Monitor(wake);

        Assert.Contains("bytes", (await endless.Says(new string('x', 300_000))).GetProperty("problem").GetString());
        Assert.Equal(
            "unwatched",
            (await good.Says("""{"type":"t","subject":"s","reason":"fine"}""")).GetProperty("outcome").GetString()
        );
    }

    sealed class Monitor : IDisposable
    {
        readonly Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        readonly NetworkStream stream;
        readonly StreamReader answers;

        public Monitor(WakeSystem wake)
        {
            socket.Connect(new UnixDomainSocketEndPoint(Path.Combine(wake.Data, "run", "wake.sock")));
            stream = new(socket);
            answers = new(stream);
        }

        public async Task<JsonElement> Says(string line)
        {
            await stream.WriteAsync(Encoding.UTF8.GetBytes(line + "\n"));
            return JsonElement.Parse((await answers.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(30)))!);
        }

        public void Dispose()
        {
            answers.Dispose();
            socket.Dispose();
        }
    }
}
