using Wake.Producers.GitHub;
using Wake.Store;

namespace Wake.Tests.Producing;

/// <summary>What is written on GitHub of a turn, whatever its session has said.</summary>
public sealed class WordingAReport
{
    static readonly Guid Id = Guid.Parse("0f7d6a34-5b0e-4a86-9a53-6f5f3c9f2b11");

    static DueReport Report(string? words, string session = "fixer@github:octo-org/hello#1", params int[] before) =>
        new(
            Id,
            Guid.NewGuid(),
            session,
            "github:octo-org/hello#1",
            ReportPolicy.Comment,
            null,
            default,
            default,
            1,
            null,
            null,
            null,
            [
                new(3, "completed", words, new(2026, 11, 30, 12, 0, 0, TimeSpan.Zero)),
                .. before.Select(x => new ReportedTurn(x, "failed", "secret words of before", default)),
            ]
        );

    // What is outside of the fence, which is all that GitHub reads as markup.
    static string Outside(string comment)
    {
        var lines = comment.Split('\n').ToList();
        var begin = lines.FindIndex(x => x.StartsWith("```", StringComparison.Ordinal));
        var fence = lines[begin].TrimEnd("text".ToCharArray());
        // A fence ends with the first line of at least as many.
        var end = lines.FindIndex(begin + 1, x => x.TrimStart().StartsWith(fence, StringComparison.Ordinal));
        return string.Join('\n', lines[..begin].Concat(lines[(end + 1)..]));
    }

    [Fact]
    public void A_comment_says_who_what_and_what_was_before()
    {
        Assert.Equal(
            """
            <!-- wake:report:0f7d6a34-5b0e-4a86-9a53-6f5f3c9f2b11 -->
            **Wake**: `fixer@github:octo-org/hello#1` took wake 3 about this. It ended at 2026-11-30 12:00 UTC: completed.

            ```text
            All is well.
            ```

            <details><summary>Before</summary>

            - wake 2: It ended at 0001-01-01 00:00 UTC: failed.

            </details>

            """,
            ReportText.Comment(Report("All is well.", before: 2))
        );
    }

    [Theory]
    [InlineData("ping @octocat and @everyone, fixes #1, closes octo-org/hello#2")]
    [InlineData("```\n@octocat fixes #1\n```")]
    [InlineData("``````\n````````\n@octocat\n~~~\nfixes #1")]
    [InlineData("-->\n<!-- wake:report:11111111-1111-1111-1111-111111111111 -->\n@octocat")]
    [InlineData("<details><img src=x onerror=alert(1)>@octocat</details> fixes #1")]
    [InlineData("\r\n   ````\r\n@octocat fixes #1\r\n   ````\r\n")]
    public void Words_of_a_session_do_nothing_outside_of_their_fence(string words)
    {
        var comment = ReportText.Comment(Report(words));

        Assert.DoesNotContain("octocat", Outside(comment));
        Assert.DoesNotContain("fixes", Outside(comment));
        Assert.Equal(Id, ReportText.FindId(comment));
    }

    [Fact]
    public void What_cannot_be_seen_is_shown_and_secrets_are_taken_out()
    {
        var comment = ReportText.Comment(Report("a\u001b[2Jb\u202Ec\u0000d ghp_abcdefghijklmnopqrstuvwxyz012345"));

        Assert.Contains("a\\u001b[2Jb\\u202ec", comment);
        Assert.DoesNotContain("ghp_", comment);
        Assert.Contains("[redacted]", comment);
    }

    [Fact]
    public void A_hundred_thousand_characters_are_cut_with_a_word_on_it()
    {
        var comment = ReportText.Comment(Report(new string('x', 100_000)));

        Assert.InRange(comment.Length, 4_000, 5_000);
        Assert.Contains("[…] (more in the transcript)", comment);
    }

    [Fact]
    public void A_key_cannot_leave_its_code() =>
        Assert.Contains("`a'@octocat\\nb`", ReportText.Comment(Report("x", session: "a`@octocat\nb")));

    [Theory]
    [InlineData("fixer@github:octo-org/hello#1", "wake/fixer")]
    [InlineData("implementer", "wake/implementer")]
    [InlineData("fixer@github:octo-org/hello#2", "wake/fixer@github:octo-org/hello#2")]
    [InlineData("github:octo-org/hello#1", "wake/github:octo-org/hello#1")]
    public void A_status_is_called_like_its_session_without_the_subject(string session, string expected) =>
        Assert.Equal(expected, ReportText.Context(Report("x", session)));

    [Fact]
    public void The_line_of_a_status_is_one_line_and_short()
    {
        var line = ReportText.Description(new(3, "completed", $"a\nb\t{new string('x', 500)}", default));

        Assert.StartsWith("wake 3: completed. a b x", line);
        Assert.True(line.Length <= 140, line);
        Assert.Equal("wake 3: failed", ReportText.Description(new(3, "failed", null, default)));
    }

    [Theory]
    [InlineData("> <!-- wake:report:0f7d6a34-5b0e-4a86-9a53-6f5f3c9f2b11 -->")]
    [InlineData(" <!-- wake:report:0f7d6a34-5b0e-4a86-9a53-6f5f3c9f2b11 -->")]
    [InlineData("<!-- wake:report:0f7d6a34 -->")]
    [InlineData("")]
    [InlineData(null)]
    public void What_only_quotes_a_comment_is_none(string? body) => Assert.Null(ReportText.FindId(body));
}
