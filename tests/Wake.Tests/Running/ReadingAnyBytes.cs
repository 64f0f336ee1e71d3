using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Wake.Runner;
using Wake.Store;

namespace Wake.Tests.Running;

/// <summary>
/// From the bytes of a pipe to the facts of a turn: however they are cut, whatever else is printed in between, the
/// facts are the same, and memory has a bound.
/// </summary>
public sealed class ReadingAnyBytes
{
    static readonly Guid Session = Guid.Parse("b18d1bc9-0000-4000-8000-000000000001");
    static readonly Guid Message = Guid.Parse("9b14d2d1-0dbd-45e7-a083-389f2c1da3bb");

    static readonly string Init = $$"""{"type":"system","subtype":"init","session_id":"{{Session}}"}""";
    static readonly string Echo = $$"""{"type":"user","isReplay":true,"uuid":"{{Message}}"}""";
    const string Idle = """{"type":"system","subtype":"session_state_changed","state":"idle"}""";
    const string Retry = """{"type":"system","subtype":"api_retry","attempt":1,"error_status":529}""";
    const string SelfStarted =
        """{"type":"result","origin":{"kind":"task-notification"},"subtype":"success","is_error":true,"num_turns":1,"model_usage_since_last_result":{}}""";

    static string Result(string fields) =>
        $$$"""{"type":"result","user_message_uuids":["{{{Message}}}"],"num_turns":1,"model_usage_since_last_result":{"m":{"costUSD":0.5,"outputTokens":7}},{{{fields}}}}""";

    static readonly string Good = Result(
        "\"subtype\":\"success\",\"is_error\":false,\"terminal_reason\":\"completed\",\"permission_denials\":[{}],\"result\":\"ü🚀\""
    );
    static readonly string Bad = Result("\"subtype\":\"success\",\"is_error\":true,\"api_error_status\":529");

    // What a turn may print: well, badly, twice, with turns nobody asked for, cut off, and after its result.
    static readonly string[][] Turns =
    [
        [Init, Echo, Good, Idle],
        [Init, Echo, Retry, Bad, Idle],
        [Init, Echo, SelfStarted, Good, Bad, Idle],
        [SelfStarted, Init, Echo, Good, Idle, SelfStarted, """{"type":"assistant","message":{}}"""],
        [Init, Echo, Retry],
        [Echo, Idle],
        [Good[..^5]],
        [],
    ];

    static readonly byte[][] Noise =
    [
        .. (
            (string[])
                [
                    "",
                    "null",
                    "[]",
                    "42",
                    "{",
                    "{\"type\":42}",
                    "{\"type\":\"result\"",
                    "{\"no_type\":true}",
                    "{\"type\":\"result_summary\",\"is_error\":true}",
                    "{\"type\":\"system\",\"subtype\":\"something_new\",\"payload\":{\"type\":\"result\"}}",
                    "{\"type\":\"user\",\"isReplay\":true,\"uuid\":\"another\"}",
                    "{\"type\":\"system\",\"subtype\":\"session_state_changed\",\"state\":\"\\ud83d\"}",
                    "{\"type\":\"\\udc00\",\"\\ud83d\":1}",
                    "{\"type\":\"rate_limit_event\",\"rate_limit_info\":{\"status\":\"rejected\",\"resetsAt\":1e99}}",
                    "{\"type\":\"rate_limit_event\",\"rate_limit_info\":7}",
                    "{\"type\":\"stream_event\",\"event\":{}}",
                    "{\"type\":\"control_request\",\"request\":{}}",
                    "\r",
                    $"{new string('[', 5000)}",
                ]
        ).Select(Encoding.UTF8.GetBytes),
        [0xFF, 0xC3, 0x28, 0xED, 0xA0, 0x80],
        [0],
        [.. "{\"type\":\"stream_event\",\"x\":\""u8, 0xFF, 0xFE, .. "\"}"u8],
    ];

    sealed record Facts(ClaudeResult Result, bool Done, bool Settled, bool Answered, bool Opened, TurnCost Cost);

    [Fact]
    public async Task However_it_is_cut_and_mixed_with_noise_the_facts_are_the_same()
    {
        var noise = Gen.OneOf(
            Gen.Elements(Noise),
            Gen.Choose(0, 255).Select(x => (byte)x).ListOf().Select(x => x.Where(y => y != '\n').ToArray())
        );
        var input = Gen.Elements(Turns).Zip(noise.ListOf()).Zip(Gen.Choose(1, 500).NonEmptyListOf()).ToArbitrary();

        await Task.Run(() =>
            Check.QuickThrowOnFailure(
                Prop.ForAll(
                    input,
                    x =>
                    {
                        var ((turn, between), cuts) = x;
                        var plain = Read(Bytes(turn, []), [int.MaxValue]).GetAwaiter().GetResult();
                        var mixed = Read(Bytes(turn, [.. between]), [.. cuts]).GetAwaiter().GetResult();
                        return plain == mixed;
                    }
                )
            )
        );
    }

    [Fact]
    public async Task Any_bytes_at_all_are_survived() =>
        await Task.Run(() =>
            Check.QuickThrowOnFailure(
                Prop.ForAll(
                    Gen.Elements(Turns)
                        .SelectMany(turn => Gen.Choose(0, 255).ListOf().Select(broken => (turn, broken)))
                        .ToArbitrary(),
                    x =>
                    {
                        // Each number spoils one byte of a turn; the result is some result, and never an exception.
                        var bytes = Bytes(x.turn, []);
                        foreach (var (number, value) in x.broken.Index())
                        {
                            if (bytes.Length > 0)
                                bytes[(number * 7919 + value * 31) % bytes.Length] = (byte)value;
                        }

                        return Read(bytes, [17]).GetAwaiter().GetResult() is { Result: not null };
                    }
                )
            )
        );

    [Fact]
    public async Task Bytes_cut_anywhere_are_the_same_lines()
    {
        var lines = Gen.Elements("", "a", "ü🚀", new string('x', 3000), "{\"type\":\"result\"}", "\r")
            .ListOf()
            .ToArbitrary();
        var cuts = Gen.Choose(1, 700).NonEmptyListOf().ToArbitrary();

        await Task.Run(() =>
            Check.QuickThrowOnFailure(
                Prop.ForAll(
                    lines,
                    cuts,
                    (all, sizes) =>
                        Lines(Encoding.UTF8.GetBytes(string.Concat(all.Select(x => x + "\n"))), [.. sizes])
                            .GetAwaiter()
                            .GetResult()
                            .Read.SequenceEqual(all)
                )
            )
        );
    }

    [Fact]
    public async Task A_result_of_twenty_megabytes_is_a_result()
    {
        var large = Good.Replace("ü🚀", new string('x', 20_000_000));

        var facts = await Read(Bytes([Init, Echo, large, Idle], []), [1_000_000]);

        Assert.Equal(new ClaudeResult.Completed(1), facts.Result);
        Assert.True(facts.Settled);
    }

    [Fact]
    public async Task A_line_beyond_the_limit_is_dropped_and_counted_and_the_next_is_read()
    {
        var text = Encoding.UTF8.GetBytes($"before\n{new string('x', 5_000_000)}\nafter\n{new string('y', 5_000_000)}");

        var (read, skipped) = await Lines(text, [10_000], limit: 1_000_000);

        Assert.Equal(["before", "after"], read);
        Assert.Equal(2, skipped);
    }

    [Fact]
    public async Task A_line_without_end_takes_no_more_memory_than_the_limit()
    {
        const int limit = 1_000_000;
        var lines = new BoundedLineReader(new Endless(total: 500_000_000), limit);

        var before = GC.GetTotalAllocatedBytes(precise: true);
        Assert.Null(await lines.ReadLine(CancellationToken.None));

        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, 50 * limit);
        Assert.Equal(1, lines.SkippedLines);
    }

    static byte[] Bytes(string[] turn, byte[][] between)
    {
        List<byte> bytes = [];
        foreach (var line in turn)
        {
            foreach (var noise in between)
                bytes.AddRange([.. noise, (byte)'\n']);
            bytes.AddRange([.. Encoding.UTF8.GetBytes(line), (byte)'\n']);
        }

        return [.. bytes];
    }

    static async Task<Facts> Read(byte[] bytes, int[] cuts)
    {
        var lines = new BoundedLineReader(new Dripping(bytes, cuts));
        var output = new ClaudeOutput(Session, Message);
        while (await lines.ReadLine(CancellationToken.None) is { } line)
            output.ParseLine(line);

        return new(
            output.Conclude(1, "", StopReason.None),
            output.HasOutcome,
            output.IsIdle,
            output.Acknowledged,
            output.Opened,
            output.Cost
        );
    }

    static async Task<(List<string> Read, int Skipped)> Lines(
        byte[] bytes,
        int[] sizes,
        int limit = BoundedLineReader.DefaultLimit
    )
    {
        var lines = new BoundedLineReader(new Dripping(bytes, sizes), limit);
        List<string> read = [];
        while (await lines.ReadLine(CancellationToken.None) is { } line)
            read.Add(Encoding.UTF8.GetString(line.Span));
        return (read, lines.SkippedLines);
    }

    /// <summary>A stream that gives as much at a time as it is told.</summary>
    sealed class Dripping(byte[] bytes, int[] sizes) : MemoryStream(bytes)
    {
        int reads;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(buffer.Length, sizes[reads++ % sizes.Length])], cancellationToken);
    }

    /// <summary>One line that does not end before the stream does.</summary>
    sealed class Endless(long total) : MemoryStream
    {
        long left = total;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var given = (int)Math.Min(left, buffer.Length);
            left -= given;
            return ValueTask.FromResult(given);
        }
    }
}
