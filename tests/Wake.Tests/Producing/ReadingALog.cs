using Wake.Producers.GitHub;

namespace Wake.Tests.Producing;

/// <summary>What is kept of a log: anybody may have written it, and it may be as long as they like.</summary>
public sealed class ReadingALog
{
    static Task<string?> Read(string log, long most = 1_000_000) =>
        LogExcerpt.Read(new StringReader(log), most, CancellationToken.None);

    static string Lines(string word, int count) =>
        string.Concat(Enumerable.Range(1, count).Select(x => $"{word} {x}\n"));

    [Fact]
    public async Task The_first_error_is_shown_with_what_came_before_it_and_a_little_after()
    {
        var excerpt = await Read($"{Lines("before", 100)}##[error]It broke\n{Lines("after", 100)}##[error]And again\n");

        Assert.Equal(
            (
                $"{string.Concat(Lines("before", 100).Split('\n')[70..100].Select(x => x + "\n"))}##[error]It "
                + $"broke\n{Lines("after", 5)}"
            ).TrimEnd(),
            excerpt
        );
    }

    [Fact]
    public async Task Without_an_error_the_end_is_shown_and_of_what_is_too_long_nothing()
    {
        Assert.EndsWith("line 99\nline 100", await Read(Lines("line", 100)));
        Assert.Null(await Read(Lines("line", 100), most: 500));
        Assert.Null(await Read("\n\n"));
    }

    [Fact]
    public async Task Times_colours_and_control_characters_are_no_part_of_it() =>
        Assert.Equal(
            "red and a bell\n##[error]end",
            await Read(
                "\uFEFF2026-11-20T22:01:19.1234567Z \u001b[1;31mred\u001b[0m and\u0000 a "
                    + "bell\u0007\r\n2026-11-20T22:01:19.1234567Z ##[error]end\r\n"
            )
        );

    [Fact]
    public async Task Lines_without_an_end_and_half_characters_stay_within_its_bounds()
    {
        var excerpt = await Read(
            string.Concat(Enumerable.Repeat(new string('x', 100_000) + "\ud83d\n", 9))
                + $"##[error]{new string('y', 5000)}\n{Lines(new string('z', 900), 9)}",
            most: 2_000_000
        );

        Assert.InRange(excerpt!.Length, 300, LogExcerpt.Limit);
        Assert.Contains("##[error]yyy", excerpt);
        Assert.All(excerpt.Split('\n'), x => Assert.InRange(x.Length, 1, 300));
    }
}
