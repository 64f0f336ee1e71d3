using Wake.Contracts;
using Wake.Contracts.Http;
using Wake.WebConsole;
using Wake.WebConsole.Components.Parts;

namespace Wake.Tests.Browsing;

/// <summary>What the console makes of what it is told, before anything is drawn.</summary>
public sealed class WordingThePages
{
    static readonly DateTimeOffset Now = new(2031, 2, 3, 4, 5, 6, TimeSpan.Zero);

    [Theory]
    [InlineData(0, "now")]
    [InlineData(-30, "30 s ago")]
    [InlineData(-90, "1 min ago")]
    [InlineData(-3 * 3600, "3 h ago")]
    [InlineData(-3 * 86400, "3 d ago")]
    [InlineData(7200, "in 2 h")]
    [InlineData(-100 * 86400, "2030-10-26")]
    public void A_moment_is_said_as_people_say_it(int seconds, string words) =>
        Assert.Equal(words, RelativeTime.Format(Now.AddSeconds(seconds), Now));

    [Theory]
    [InlineData("implementer@github:octo-org/hello", "implementer@github:octo-org/hello")]
    [InlineData("two words", "'two words'")]
    [InlineData("$(rm -rf ~) `x` \"y\"", "'$(rm -rf ~) `x` \"y\"'")]
    [InlineData("it's", "'it'\\''s'")]
    [InlineData("", "''")]
    public void What_is_copied_is_one_word_to_a_shell(string text, string quoted) =>
        Assert.Equal(quoted, ShellText.Quote(text));

    [Fact]
    public void A_call_is_copied_as_it_is_made_and_without_a_key()
    {
        Assert.Equal(
            "curl -X POST \"$WAKE_URL/v1/sessions/a%2Fb%24%28x%29/wake\" -H \"Authorization: Bearer $WAKE_API_KEY\" "
                + "--json '{\"reason\":\"it\\u0027s\",\"takeover\":false}'",
            Calls.Wake("a/b$(x)", "it's").ToCurl()
        );
        Assert.Equal(
            "curl \"$WAKE_URL/v1/sessions?text=a%20b&limit=5\" -H \"Authorization: Bearer $WAKE_API_KEY\"",
            ApiCall.Get("/v1/sessions", ("text", " a b "), ("state", ""), ("limit", "5")).ToCurl()
        );
    }

    [Theory]
    [InlineData("/sessions/x?y=z", "/sessions/x?y=z")]
    [InlineData(null, "/")]
    [InlineData("//evil.example", "/")]
    [InlineData("/\\evil.example", "/")]
    [InlineData("https://evil.example", "/")]
    [InlineData("/login?to=/login", "/")]
    public void Whoever_logs_in_stays_here(string? wanted, string path) =>
        Assert.Equal(path, ConsoleAccess.LocalPath(wanted));

    [Fact]
    public void A_burst_is_marked_as_one_change()
    {
        var marks = new LiveMarks();
        Assert.True(marks.IsEmpty);
        for (var i = 0; i < 10_000; i++)
            marks.Add(new LedgerLine(Now, "routed", $"event-{i % 5}", $"session-{i % 3}", null, null));

        Assert.Equal((true, true, false), (marks.Events, marks.Session("session-1"), marks.Session("another")));
        Assert.False(marks.People);
        for (var i = 0; i < 10_000; i++)
            marks.Add(new LedgerLine(Now, "asked", null, $"session-{i}", 1, null));
        Assert.True(marks.All && marks.People && marks.Session("another"));
        Assert.False(marks.IsEmpty);
    }

    [Fact]
    public void Turns_and_decisions_are_one_line_of_time()
    {
        var (first, second) = (Turn(1, Now), Turn(2, Now.AddMinutes(10)));
        var timeline = TimelineItem.Arrange(
            [second, first],
            [
                new(Now.AddMinutes(-1), "created", null, "s", null, null),
                new(Now, "dispatched", null, "s", 1, null),
                new(Now.AddMinutes(5), "routed", "e", "s", null, null),
                new(Now.AddMinutes(10), "dispatched", null, "s", 2, null),
                new(Now.AddMinutes(11), "ended", null, "s", 2, null),
            ]
        );

        Assert.Equal([2, null, 1, null], timeline.Select(x => x.Turn?.Number));
        Assert.Equal([2, 1, 1, 1], timeline.Select(x => x.Lines.Count));
    }

    static Turn Turn(int number, DateTimeOffset at) =>
        new(number, TurnState.Ended, TurnOutcome.Completed, null, 1, null, null, at, at, at, 0, 0, default, []);
}
