using Wake.Runner;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>Whether a message is on the branch that a session goes on from, and what is no fork.</summary>
public sealed class FollowingTheBranch : IDisposable
{
    static readonly Guid Message = Guid.NewGuid();

    readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_turn_alone_is_on_it() =>
        Assert.True(Holds(User("before", null), User(Wake, "before"), Assistant("answer", Wake)));

    [Fact]
    public void A_turn_beside_which_another_process_went_on_is_off_it() =>
        Assert.False(
            Holds(
                User("before", null),
                User(Wake, "before"),
                Assistant("answer", Wake),
                User("typed", "before"),
                Assistant("said", "typed")
            )
        );

    [Fact]
    public void The_newest_leaf_counts_whoever_began_first() =>
        Assert.True(
            Holds(
                User("before", null),
                User("typed", "before"),
                User(Wake, "before"),
                Assistant("said", "typed"),
                Assistant("answer", Wake)
            )
        );

    [Fact]
    public void Results_of_calls_made_at_the_same_time_are_no_fork() =>
        Assert.True(
            Holds(
                User(Wake, null),
                Assistant("call1", Wake),
                Assistant("call2", "call1"),
                User("result1", "call1"),
                User("result2", "call2"),
                Assistant("answer", "result2")
            )
        );

    [Fact]
    public void Rows_of_subagents_are_none() =>
        Assert.True(
            Holds(
                User(Wake, null),
                Assistant("answer", Wake),
                """{"type":"assistant","uuid":"side","parentUuid":null,"isSidechain":true}"""
            )
        );

    [Fact]
    public void What_a_compaction_has_put_together_is_the_same_branch() =>
        Assert.True(
            Holds(
                User(Wake, null),
                """{"type":"system","subtype":"compact_boundary","uuid":"compacted","parentUuid":null,"logicalParentUuid":"WAKE"}""",
                User("summary", "compacted")
            )
        );

    [Fact]
    public void What_a_person_has_left_by_rewinding_before_the_turn_is_none() =>
        Assert.True(
            Holds(
                User("before", null),
                Assistant("left", "before"),
                User("rewound", "before"),
                User(Wake, "rewound"),
                Assistant("answer", Wake)
            )
        );

    [Fact]
    public void Rows_that_cannot_be_read_and_rings_do_no_harm()
    {
        Assert.True(
            Holds(
                "nonsense",
                "{\"uuid\":",
                "[\"uuid\"]",
                User(Wake, "gone"),
                Assistant("answer", Wake),
                "{\"uuid\":\"x\",\"type\":7}",
                "{\"uuid\":\"ha"
            )
        );
        Assert.False(Holds(User(Wake, null), User("a", "b"), User("b", "a")));
    }

    [Fact]
    public void Nobody_can_tell_where_the_message_is_not_there()
    {
        Assert.Null(Holds(User("before", null)));
        Assert.Null(TranscriptBranch.Contains(folder.File("none.jsonl"), 0, Message));
    }

    [Fact]
    public void Only_what_was_written_since_the_turn_began_is_read()
    {
        var file = Write(User("before", null), User(Wake, "before"), Assistant("answer", Wake));
        var began = TranscriptBranch.LengthOf(file);
        File.AppendAllText(file, Row(User("typed", "answer")) + "\n");

        Assert.Null(TranscriptBranch.Contains(file, began, Message));
        Assert.True(TranscriptBranch.Contains(file, 0, Message));
    }

    [Fact]
    public async Task After_a_kill_the_next_resume_goes_on_from_the_newest_row_and_not_from_a_branch_that_was_left()
    {
        var file = Write(
            """{"type":"summary","summary":"s","leafUuid":"0"}""",
            User("before", null),
            Assistant("asks", "before"),
            Make("attachment", "deferred", "asks"),
            Marker("deferred"),
            User("answered", "asks"),
            Assistant("does", "answered")
        );
        await File.AppendAllTextAsync(file, """{"type":"user","uuid":"half""");

        await TranscriptBranch.ResumeFromNewest(file, CancellationToken.None);

        Assert.Equal([Assistant("does", "answered"), Marker("does")], (await File.ReadAllLinesAsync(file)).TakeLast(2));
    }

    [Theory]
    [InlineData("asks", true)]
    [InlineData("deferred", false)]
    [InlineData("elsewhere", true)]
    public async Task Where_nothing_is_passed_over_nothing_is_written(string leaf, bool killed)
    {
        var file = Write(
            User("before", null),
            Assistant("asks", "before"),
            Make("attachment", "deferred", "asks"),
            killed ? Marker(leaf) : "{}",
            User("answered", "asks"),
            killed ? "{}" : Marker(leaf)
        );
        var before = await File.ReadAllTextAsync(file);

        await TranscriptBranch.ResumeFromNewest(file, CancellationToken.None);
        await TranscriptBranch.ResumeFromNewest(folder.File("none.jsonl"), CancellationToken.None);

        Assert.Equal(before, await File.ReadAllTextAsync(file));
    }

    static string Marker(string leaf) => $$"""{"type":"last-prompt","lastPrompt":"p","leafUuid":"{{leaf}}"}""";

    const string Wake = "WAKE";

    bool? Holds(params string[] rows) => TranscriptBranch.Contains(Write(rows), 0, Message);

    string Write(params string[] rows)
    {
        var file = folder.File($"{Guid.NewGuid()}.jsonl");
        File.WriteAllText(file, string.Concat(rows.Select(x => Row(x) + "\n")));
        return file;
    }

    static string Row(string row) => row.Replace(Wake, Message.ToString(), StringComparison.Ordinal);

    static string User(string id, string? parent) => Make("user", id, parent);

    static string Assistant(string id, string? parent) => Make("assistant", id, parent);

    static string Make(string type, string id, string? parent) =>
        $$"""{"type":"{{type}}","uuid":"{{id}}","parentUuid":{{(parent is null ? "null" : $"\"{parent}\"")}}}""";
}
