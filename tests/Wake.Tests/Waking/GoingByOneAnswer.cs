using Wake.Store;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

/// <summary>A turn asks once, and every attempt of it goes by the same answers, whoever dies between.</summary>
public sealed class GoingByOneAnswer(TestStore store) : IClassFixture<TestStore>
{
    static readonly CancellationToken None = CancellationToken.None;

    static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(300);

    // Of one test.
    readonly string subject = $"forge:{Guid.NewGuid()}";
    readonly Guid checker = Guid.NewGuid();
    readonly FactChecks facts = new(store.Database);

    [Fact]
    public async Task A_turn_that_dies_after_the_answer_and_before_its_end_ends_as_stale_without_asking_again()
    {
        await CanBeAsked();
        var first = await store.OpenTurn(await Session());
        var asking = Check(first, TimeSpan.FromSeconds(30), None);
        await AnswerNext(FactAnswer.NoLonger, "it is over");
        Assert.True((await asking).IsStale);

        var second = await ClaimedAgain(first);
        Assert.Equal(2, second.Attempt);
        var again = await Check(second, TimeSpan.FromSeconds(30), None);

        Assert.Equal((true, "it is over"), (again.IsStale, again.Note));
        Assert.Empty(await facts.Take(checker, None));
    }

    [Fact]
    public async Task A_turn_that_dies_while_it_asks_waits_for_the_answer_to_what_was_asked()
    {
        await CanBeAsked();
        var first = await store.OpenTurn(await Session());
        using var died = new CancellationTokenSource();
        var asking = Check(first, TimeSpan.FromSeconds(30), died.Token);
        var question = Assert.Single(await Asked());
        await died.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);

        var again = Check(await ClaimedAgain(first), TimeSpan.FromSeconds(30), None);
        await facts.Answer(question, FactAnswer.NoLonger, "it is over", None);

        Assert.True((await again).IsStale);
    }

    [Fact]
    public async Task An_answer_that_comes_too_late_changes_nothing_any_more()
    {
        await CanBeAsked();
        var turn = await store.OpenTurn(await Session());
        var asking = Check(turn, Soon, None);
        var question = Assert.Single(await Asked());

        Assert.False((await asking).IsStale);
        await facts.Answer(question, FactAnswer.NoLonger, "it is over", None);

        var again = await Check(await ClaimedAgain(turn), Soon, None);
        Assert.Equal(
            (FactAnswer.Unknown, "no answer came within 0.3 s"),
            (again.Turn.Events[0].Fact!.Answer, again.Turn.Events[0].Fact!.Reason)
        );
        Assert.False(again.IsStale);
    }

    [Fact]
    public async Task A_session_that_may_have_heard_of_it_is_not_left_in_the_middle()
    {
        var first = await store.OpenTurn(await Session());
        Assert.Equal(new(first, IsStale: false), await Check(first, Soon, None));
        await CanBeAsked();

        // The attempt before has begun, and died.
        var asking = Check(await ClaimedAgain(first), TimeSpan.FromSeconds(30), None);
        await AnswerNext(FactAnswer.NoLonger, "it is over");

        Assert.Equal(
            (false, FactAnswer.NoLonger),
            ((await asking).IsStale, (await asking).Turn.Events[0].Fact!.Answer)
        );
    }

    [Fact]
    public async Task Nobody_is_asked_who_is_gone_or_knows_nothing_of_it()
    {
        await facts.Register(checker, [subject], ["other.*"], None);
        var turn = await store.OpenTurn(await Session());
        Assert.Null((await Check(turn, TimeSpan.FromMinutes(1), None)).Turn.Events[0].Fact);

        await CanBeAsked();
        await store.Execute(
            "update fact_checkers set seen_at = now() - interval '31 seconds' where checker = $1",
            checker
        );
        Assert.Null((await Check(turn, TimeSpan.FromMinutes(1), None)).Turn.Events[0].Fact);

        await CanBeAsked();
        await facts.Unregister(checker, None);
        Assert.Null((await Check(turn, TimeSpan.FromMinutes(1), None)).Turn.Events[0].Fact);
    }

    [Theory]
    [InlineData(
        """{"commentId": 4711, "body": "\u0000 \ud800", "secret": "x"}""",
        """{"commentId":4711,"secret":"x"}"""
    )]
    [InlineData("[1]", "{}")]
    [InlineData("\"text\"", "{}")]
    public async Task Whatever_is_in_the_data_of_an_event_can_be_asked_about(string data, string asked)
    {
        await CanBeAsked();
        var turn = await store.OpenTurn(await Session());
        turn = turn with { Events = [turn.Events[0] with { Data = data }] };
        var asking = Check(turn, TimeSpan.FromSeconds(30), None);

        var question = Assert.Single(await Asked());
        await facts.Answer(question, FactAnswer.Holds, null, None);

        Assert.Equal(asked, question.Details.GetRawText());
        Assert.Equal(FactAnswer.Holds, (await asking).Turn.Events[0].Fact!.Answer);
    }

    Task<CheckedTurn> Check(ClaimedTurn turn, TimeSpan timeout, CancellationToken cancel) =>
        facts.Check(turn, new Profile { FactTimeout = timeout }, cancel);

    Task CanBeAsked() => facts.Register(checker, [subject], ["forge.*"], None);

    async Task<Guid> Session()
    {
        var session = await store.Session(subject);
        await store.Accept(WakeSystem.Event(subject, "fact") with { Type = "forge.happened" });
        return session;
    }

    async Task<ClaimedTurn> ClaimedAgain(ClaimedTurn turn)
    {
        await store.Execute("update turns set lease_until = now() where session_id = $1", turn.SessionId);
        return await store.ClaimTurn(turn.SessionId);
    }

    Task<IReadOnlyList<FactQuestion>> Asked() =>
        Eventually.Sees(async () => await facts.Take(checker, None) is { Count: > 0 } some ? some : null);

    async Task AnswerNext(FactAnswer answer, string reason) =>
        await facts.Answer(Assert.Single(await Asked()), answer, reason, None);
}
