using FsCheck;
using FsCheck.Fluent;
using Wake.Store;

namespace Wake.Tests.Running;

/// <summary>What a session is shown of an event's data.</summary>
public sealed class ReadingDetails
{
    [Theory]
    [InlineData("""{"url":"https://a.example/b?c=d\u0026e=f"}""", "https://a.example/b?c=d&e=f")]
    [InlineData("""{"url":"https://a.example/","html_url":"https://b.example/","link":"https://c.example/"}""", "https://c.example/")]
    [InlineData("""{"url":"https://a.example/","link":"none","html_url":"https://b.example/"}""", "https://b.example/")]
    [InlineData("""{"user":{"link":"https://a.example/"},"list":[{"link":"https://b.example/"}],"url":"https:\/\/c.example\/"}""", "https://c.example/")]
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
    public void The_link_is_the_first_https_address_a_field_holds(string? data, string? link) => Assert.Equal(link, EventDetails.In(data).Link);

    [Theory]
    [InlineData("""{"excerpt":"error:\n  1 > 2 \ud83d\ude00","url":"https://a.example/"}""", "error:\n  1 > 2 😀")]
    [InlineData("""{"excerpt":"half \ud83d"}""", null)]
    [InlineData("""{"excerpt":" \n"}""", null)]
    [InlineData("""{"excerpt":["a"],"x":{"excerpt":"b"}}""", null)]
    public void The_excerpt_is_the_text_of_the_field(string data, string? excerpt) => Assert.Equal(excerpt, EventDetails.In(data).Excerpt);

    [Fact]
    public void A_long_address_is_left_out_and_not_cut()
    {
        Assert.Null(EventDetails.In($$"""{"url":"https://a.example/{{new string('x', 300)}}"}""").Link);
        Assert.NotNull(EventDetails.In($$"""{"url":"https://a.example/{{new string('x', 200)}}"}""").Link);
    }

    [Fact]
    public void No_data_is_too_odd_for_it() => Check.QuickThrowOnFailure(Prop.ForAll(
        ArbMap.Default.ArbFor<string>(), ArbMap.Default.ArbFor<string>(), (field, text) =>
            EventDetails.In(System.Text.Json.JsonSerializer.Serialize(new Dictionary<string, string?> { [field ?? ""] = text, ["url"] = text, ["link"] = "https://a.example/", ["excerpt"] = $"{text}\n." }))
                is { Link: "https://a.example/" } details && details.Excerpt!.EndsWith("\n.", StringComparison.Ordinal)));
}
