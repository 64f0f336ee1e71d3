using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using Wake.Store;

namespace Wake.Tests.Running;

/// <summary>What a session is shown of an event's data.</summary>
public sealed class ReadingDetails
{
    [Theory]
    [InlineData("""{"url":"https://a.example/b?c=d\u0026e=f"}""", "https://a.example/b?c=d&e=f")]
    [InlineData(
        """{"url":"https://a.example/","html_url":"https://b.example/","link":"https://c.example/"}""",
        "https://c.example/"
    )]
    [InlineData("""{"url":"https://a.example/","link":"none","html_url":"https://b.example/"}""", "https://b.example/")]
    [InlineData(
        """{"user":{"link":"https://a.example/"},"list":[{"link":"https://b.example/"}],"url":"https:\/\/c.example\/"}""",
        "https://c.example/"
    )]
    [InlineData("""{"x":"\ud800\u0000","\ud800":1,"url":"https://a.example/"}""", "https://a.example/")]
    [InlineData("""{"url":"http://a.example/"}""", null)]
    [InlineData("""{"url":"javascript:alert(1)"}""", null)]
    [InlineData("""{"url":"/a/b"}""", null)]
    [InlineData("""{"url":"https://github.com@a.example/"}""", null)]
    [InlineData("""{"url":"https://a.example/\nhttps://b.example/"}""", null)]
    [InlineData("""{"url":" https://a.example/"}""", null)]
    [InlineData("""{"url":"https://a.example/\ud800"}""", null)]
    [InlineData("""{"url":{"link":"https://a.example/"}}""", null)]
    [InlineData("""{"url":7,"link":null,"html_url":true}""", null)]
    [InlineData("""["https://a.example/"]""", null)]
    [InlineData("\"https://a.example/\"", null)]
    [InlineData("null", null)]
    [InlineData("{}", null)]
    [InlineData(null, null)]
    public void The_link_is_the_first_https_address_a_field_holds(string? data, string? link) =>
        Assert.Equal(link, EventDetails.Parse(data).Link);

    [Theory]
    [InlineData("""{"excerpt":"error:\n  1 > 2 \ud83d\ude00","url":"https://a.example/"}""", "error:\n  1 > 2 😀")]
    [InlineData("""{"excerpt":"half \ud83d"}""", null)]
    [InlineData("""{"excerpt":" \n"}""", null)]
    [InlineData("""{"excerpt":["a"],"x":{"excerpt":"b"}}""", null)]
    public void The_excerpt_is_the_text_of_the_field(string data, string? excerpt) =>
        Assert.Equal(excerpt, EventDetails.Parse(data).Excerpt);

    [Theory]
    [InlineData(
        """{ "run": {"attempt": 2, "jobs": [1, 2.50, null, true]},\n "title": "fix" }""",
        """{"run":{"attempt":2,"jobs":[1,2.50,null,true]},"title":"fix"}"""
    )]
    [InlineData("""{"title":"gr\u00fc\u00dfe \ud83d\ude80 <b>"}""", """{"title":"grüße \uD83D\uDE80 <b>"}""")]
    [InlineData(
        """{"title":"a\u0000b","half":"\ud83d","\ud83d":1}""",
        """{"title":"a\u0000b","half":"\\ud83d","\\ud83d":1}"""
    )]
    [InlineData("""{"excerpt":"told","url":"https://a.example/","state":"open"}""", """{"state":"open"}""")]
    [InlineData("""{"url":"http://a.example/","excerpt":7}""", """{"url":"http://a.example/","excerpt":7}""")]
    [InlineData("""{"link":"https://a.example/","size":1e400000}""", """{"size":1e400000}""")]
    [InlineData("""{"excerpt":"told"}""", null)]
    [InlineData("{}", null)]
    [InlineData("null", null)]
    [InlineData(null, null)]
    [InlineData("""[1, {"a": []}]""", """[1,{"a":[]}]""")]
    [InlineData("\"text\"", "\"text\"")]
    [InlineData("42", "42")]
    public void The_data_is_what_else_there_is_on_one_line(string? data, string? shown) =>
        Assert.Equal(shown, EventDetails.Parse(data?.Replace("\\n", "\n")).Data);

    [Fact]
    public void Of_data_that_is_huge_or_deep_the_beginning_is_read()
    {
        var huge = $$"""{"number":972,"log":"{{new string('x', 200_000)}}","excerpt":"beyond"}""";
        var many = $"{{{string.Join(',', Enumerable.Range(0, 20_000).Select(x => $"\"f{x}\":{x}"))}}}";
        var deep = $"{{\"a\":{new string('[', 5000)}{new string(']', 5000)}}}";

        Assert.Equal("""{"number":972} […]""", EventDetails.Parse(JsonElement.Parse(huge)).Data);
        Assert.StartsWith("""{"f0":0,"f1":1,""", EventDetails.Parse(JsonElement.Parse(many)).Data);
        Assert.InRange(EventDetails.Parse(many).Data!.Length, 1000, EventDetails.MaxDataShown + 100);
        Assert.Equal(deep, EventDetails.Parse(deep).Data);
        Assert.Null(EventDetails.Parse($"{{\"a\":{new string('[', 40_000)}").Link);
    }

    [Fact]
    public void A_long_address_is_left_out_and_not_cut()
    {
        Assert.Null(EventDetails.Parse($$"""{"url":"https://a.example/{{new string('x', 300)}}"}""").Link);
        Assert.NotNull(EventDetails.Parse($$"""{"url":"https://a.example/{{new string('x', 200)}}"}""").Link);
    }

    [Fact]
    public void No_data_is_too_odd_for_it() =>
        Check.QuickThrowOnFailure(
            Prop.ForAll(
                ArbMap.Default.ArbFor<string>(),
                ArbMap.Default.ArbFor<string>(),
                (field, text) =>
                    EventDetails.Parse(
                        System.Text.Json.JsonSerializer.Serialize(
                            new Dictionary<string, string?>
                            {
                                [field ?? ""] = text,
                                ["url"] = text,
                                ["link"] = "https://a.example/",
                                ["excerpt"] = $"{text}\n.",
                            }
                        )
                    )
                        is { Link: "https://a.example/" } details
                    && details.Excerpt!.EndsWith("\n.", StringComparison.Ordinal)
            )
        );
}
