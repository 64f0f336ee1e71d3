using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Wake.Contracts;

namespace Wake.Tests.Producing;

/// <summary>Events as people and programs write them: what is only shown never costs the event, and what was not taken
/// is told.</summary>
public sealed class ReadingEvents
{
    const string Good = """{"id":"i","source":"s","type":"t","subject":"x","reason":"r"}""";

    static ExternalEventObserved Read(string json)
    {
        Assert.True(EventJson.TryParse(Encoding.UTF8.GetBytes(json), out var observed, out var problem), problem);
        return observed;
    }

    static string With(string name, string value) => $"{Good[..^1]},\"{name}\":{value}}}";

    static string Replaced(string name, string value)
    {
        var json = JsonNode.Parse(Good)!.AsObject();
        json.Remove(name);
        return $"{json.ToJsonString()[..^1]},\"{name}\":{value}}}";
    }

    [Theory]
    [InlineData("\"2026-11-28T16:00:00Z\"")]
    [InlineData("\"2026-11-28T16:00:00+0000\"")]
    [InlineData("\"2026-11-28T17:00:00+0100\"")]
    [InlineData("\"2026-11-28 16:00:00\"")]
    [InlineData("\"2026-11-28 16:00:00 UTC\"")]
    [InlineData("\"2026-11-28T16:00:00\"")]
    [InlineData("\"Sat, 28 Nov 2026 16:00:00 GMT\"")]
    [InlineData("1795881600")]
    [InlineData("1795881600.0")]
    [InlineData("1795881600000")]
    [InlineData("1795881600000000")]
    [InlineData("1795881600000000000")]
    [InlineData("\"1795881600\"")]
    [InlineData("\"1795881600000\"")]
    public void A_time_is_read_as_it_is_written(string time)
    {
        var moment = new DateTimeOffset(2026, 11, 28, 16, 0, 0, TimeSpan.Zero);

        Assert.Equal((moment, null), (Read(With("time", time)).Time, Read(With("time", time)).Warnings));
        Assert.Equal(moment, Read(With("expires", time)).Expires);
    }

    [Theory]
    [InlineData("\"yesterday\"")]
    [InlineData("\"\"")]
    [InlineData("\"16:00\"")]
    [InlineData("true")]
    [InlineData("{\"$date\":1}")]
    [InlineData("99999999999999999999999")]
    [InlineData("\"half \\ud83d\"")]
    public void A_time_that_cannot_be_read_is_left_out_and_told(string time)
    {
        var observed = Read(With("time", time));

        Assert.Null(observed.Time);
        Assert.Equal(["time cannot be read as a moment and was left out."], observed.Warnings);
    }

    [Theory]
    [InlineData("\"tomorrow\"")]
    [InlineData("true")]
    public void When_it_expires_decides_so_it_is_refused(string expires)
    {
        Assert.False(EventJson.TryParse(Encoding.UTF8.GetBytes(With("expires", expires)), out _, out var problem));
        Assert.Contains("expires is no moment", problem);
    }

    [Fact]
    public void A_number_is_a_name()
    {
        var observed = Read(
            """{"id":4711,"source":1,"type":2,"subject":3,"reason":4,"dedupKey":5,"actor":6,"related":[7,"8"],"sessions":[9]}"""
        );

        Assert.Equal(
            ("4711", "1", "2", "3", "4", "5", "6"),
            (
                observed.Id,
                observed.Source,
                observed.Type,
                observed.Subject,
                observed.Reason,
                observed.DedupKey,
                observed.Actor
            )
        );
        Assert.Equal(["7", "8", "9"], [.. observed.Related!, .. observed.Sessions!]);
        Assert.Null(observed.Warnings);
    }

    [Theory]
    [InlineData("dedup_key", "; dedupKey may be meant")]
    [InlineData("DedupKey", "; dedupKey may be meant")]
    [InlineData("reson", "; reason may be meant")]
    [InlineData("sesions", "; sessions may be meant")]
    [InlineData("colour", "")]
    public void A_field_that_there_is_not_is_told_with_the_one_that_may_be_meant(string name, string meant) =>
        Assert.Equal([$"{name} is no field of an event and was ignored{meant}."], Read(With(name, "\"v\"")).Warnings);

    [Fact]
    public void A_name_that_is_no_text_is_told_without_it() =>
        Assert.Equal(["A member is no field of an event and was ignored."], Read(With("\\ud83d", "1")).Warnings);

    [Theory]
    [InlineData("reason", "\"\"", "t: x", "reason is blank")]
    [InlineData("reason", "null", "t: x", "reason is no text")]
    [InlineData("reason", "{\"text\":\"r\"}", "t: x", "reason is no text")]
    [InlineData("reason", "\"a\\u0000b\"", "a\ufffdb", "cannot be stored")]
    [InlineData(
        "reason",
        "\"half \\ud83d of \\\\ud83d and \\ud83d\\udc1b\"",
        "half \ufffd of \\ud83d and 🐛",
        "half of a surrogate pair"
    )]
    [InlineData("actor", "[\"mona\"]", null, "actor is no text")]
    [InlineData("actor", "\" \"", null, "actor is blank")]
    [InlineData("replayOf", "{}", null, "replayOf is no text")]
    public void What_is_only_shown_never_costs_the_event(string field, string value, string? taken, string warning)
    {
        var observed = Read(Replaced(field, value));

        Assert.Equal(
            taken,
            field switch
            {
                "reason" => observed.Reason,
                "actor" => observed.Actor,
                _ => observed.ReplayOf,
            }
        );
        Assert.Contains(warning, Assert.Single(observed.Warnings!));
    }

    [Fact]
    public void A_text_that_is_too_long_is_cut_at_a_whole_character()
    {
        var observed = Read(
            Replaced(
                "reason",
                JsonSerializer.Serialize($"{new string('r', EventLimits.MaxReasonLength - 1)}🚀 and more")
            )
        );

        Assert.Equal(new string('r', EventLimits.MaxReasonLength - 1), observed.Reason);
        Assert.Contains("was cut to 4096", Assert.Single(observed.Warnings!));
    }

    [Theory]
    [InlineData("id", "{}")]
    [InlineData("subject", "\"\"")]
    [InlineData("subject", "\"half \\ud83d\"")]
    [InlineData("dedupKey", "\" \"")]
    [InlineData("dedupKey", "[]")]
    [InlineData("delivery", "\"later\"")]
    [InlineData("urgent", "\"yes\"")]
    [InlineData("related", "[{}]")]
    public void What_decides_is_never_guessed(string field, string value) =>
        Assert.False(EventJson.TryParse(Encoding.UTF8.GetBytes(Replaced(field, value)), out _, out _));

    [Fact]
    public void Data_stays_as_it_came_beside_a_field_that_is_mended()
    {
        var observed = Read($$"""{"data":{"n":1e400,"t":"\u0041"},"x":1,{{Good[1..]}}""");

        Assert.Equal("""{"n":1e400,"t":"\u0041"}""", observed.Data!.Value.GetRawText());
        Assert.Single(observed.Warnings!);
    }

    [Fact]
    public void Of_many_wrong_fields_a_few_are_told() =>
        Assert.Equal(
            20,
            Read(
                $"{Good[..^1]},{string.Join(',', Enumerable.Range(0, 1000).Select(x => $"\"f{x}\":1"))}}}"
            ).Warnings!.Count
        );

    [Fact]
    public void A_byte_order_mark_is_skipped()
    {
        Assert.True(EventJson.TryParse([0xEF, 0xBB, 0xBF, .. Encoding.UTF8.GetBytes(Good)], out _, out _));
        var payload = Payload.Of("webhooks/pull_request.closed.merged.json");
        Assert.Single(payload.Sender.Map(payload.Request([0xEF, 0xBB, 0xBF, .. payload.Bytes])).Events);
    }
}
