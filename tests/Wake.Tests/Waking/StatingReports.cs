using Wake.Contracts;
using Wake.Store;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

/// <summary>What is to be reported of a turn when it ends, and who sends it.</summary>
public sealed class StatingReports(TestStore store) : IClassFixture<TestStore>, IAsyncLifetime
{
    static readonly CancellationToken None = CancellationToken.None;
    static readonly TimeSpan Lease = TimeSpan.FromMinutes(1);

    readonly Reports reports = new(store.Database);
    readonly string pull = $"github:octo-org/r{Guid.NewGuid():N}#1";
    int wakes;

    string Key => $"fixer@{pull}";

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await store.Routes.ReplaceConfigured(new Dictionary<string, RouteDefinition>(), None);
        await Profiles(null);
        await store.Execute("delete from reports");
    }

    Task Route(ReportPolicy? report) =>
        store.Routes.ReplaceConfigured(
            new Dictionary<string, RouteDefinition>
            {
                ["work"] = new()
                {
                    Session = "fixer@{subject}",
                    Workspace = "/srv/wake/{session}",
                    Subject = "*#*",
                    Report = report,
                },
            },
            None
        );

    Task Profiles(ReportPolicy? report) =>
        new Pauses(store.Database).ReplaceProfiles(
            new Dictionary<string, (string, CiPolicy?, ReportPolicy?)> { ["default"] = ("default", null, report) },
            None
        );

    async Task Tell(string? subject = null, string[]? related = null, Delivery delivery = Delivery.Wake) =>
        await store.Accept(WakeSystem.Event(subject ?? pull, $"{Guid.NewGuid()}", delivery) with { Related = related });

    async Task<Guid> Session() => (await store.Sessions.Find(Key, None))!.Id;

    async Task Take(string? said = "I did it.", TurnOutcome outcome = TurnOutcome.Completed, string? note = null)
    {
        var turn = await store.OpenTurn(await Session(), ++wakes);
        Assert.True(await store.Turns.EndTurn(turn, outcome, note, default, None, lastWords: said));
    }

    Task<DueReport?> Claim(string login = "octocat", TimeSpan? lease = null) =>
        reports.Claim(["github:octo-org/*#*"], [login], lease ?? Lease, None);

    Task<string> Stated() =>
        store.Scalar<string>(
            "select coalesce(string_agg(concat_ws(' ', kind, sha), ', ' order by kind, sha), '') from reports"
        );

    [Theory]
    [InlineData(null, null, null, "")]
    [InlineData(null, null, ReportPolicy.Comment, "comment ")]
    [InlineData(null, ReportPolicy.Status, ReportPolicy.Comment, "status ")]
    [InlineData(ReportPolicy.Comment, ReportPolicy.Status, null, "comment ")]
    [InlineData(ReportPolicy.None, ReportPolicy.Status, ReportPolicy.Comment, "")]
    [InlineData(null, ReportPolicy.None, ReportPolicy.Comment, "")]
    public async Task A_watch_says_it_before_a_route_and_a_route_before_the_profile(
        ReportPolicy? watch,
        ReportPolicy? route,
        ReportPolicy? profile,
        string expected
    )
    {
        await Profiles(profile);
        await Route(route);
        await store.Sessions.Create(Key, "/", "default", null, None);
        if (watch is not null)
            await store.Watches.Create(Key, new(pull) { Report = watch }, None);

        await Tell();
        await Take();

        Assert.Equal(expected, await Stated());
    }

    [Fact]
    public async Task A_watch_made_after_its_event_says_it_too()
    {
        await store.Sessions.Create(Key, "/", "default", null, None);
        await Tell();
        var (made, found, _) = (
            await store.Watches.Create(Key, new(pull) { Report = ReportPolicy.Comment }, None)
        )!.Value;

        Assert.Equal((ReportPolicy.Comment, 1), (made.Report, found));
        Assert.Equal(ReportPolicy.Comment, (await store.Watches.Find(made.Id, None))!.Report);
        await Take();
        Assert.Equal("comment ", await Stated());
    }

    [Fact]
    public async Task What_is_about_a_commit_is_reported_on_its_pull_requests_or_on_itself()
    {
        await Route(ReportPolicy.Status);
        var (sha, home) = (LoopbackGitHub.Sha(1), pull[..^2]);
        await Tell($"{home}@{sha}", [pull, $"{home}:refs/heads/main"]);
        await Take();

        Assert.Equal($"status {sha}", await Stated());
        Assert.Equal((pull, sha), ((await Claim())! is var due ? (due.Subject, due.Sha!) : default));
    }

    [Fact]
    public async Task Other_subjects_stale_turns_and_what_only_waited_are_not_reported()
    {
        await Profiles(ReportPolicy.Comment);
        await Route(null);
        await Tell();
        await Take(outcome: TurnOutcome.Stale);
        Assert.Equal("", await Stated());

        await store.Accept(WakeSystem.Event("gitlab:octo/org#1", "x") with { Sessions = [Key] });
        await Tell(delivery: Delivery.Ambient);
        await Take();
        Assert.Equal("", await Stated());
    }

    [Fact]
    public async Task A_turn_that_ends_while_another_is_sent_stays_owed_and_both_are_told()
    {
        await Route(ReportPolicy.Comment);
        await Tell();
        await Take("first");
        var sending = (await Claim())!;
        Assert.Null(await Claim());

        await Tell();
        await Take(said: null, TurnOutcome.Failed, "it could not");
        await reports.SetReported(sending, 7, "comment 7", None);

        var next = (await Claim())!;
        Assert.Equal(7, next.CommentId);
        Assert.Equal([(2, "it could not"), (1, "first")], next.Turns.Select(x => (x.WakeNumber, x.Words!)));
        await reports.SetReported(next, 7, "comment 7", None);
        Assert.Null(await Claim());
        Assert.False(await reports.AnyDue(None));
    }

    [Fact]
    public async Task Who_has_lost_its_lease_sends_and_settles_nothing()
    {
        await Route(ReportPolicy.Comment);
        await Tell();
        await Take();
        var late = (await Claim(lease: TimeSpan.Zero))!;
        var now = (await Claim())!;

        Assert.Null(await reports.BeginSend(late, "octocat", Lease, None));
        await reports.SetReported(late, 7, "comment 7", None);
        await reports.SetFailed(late, "no", TimeSpan.FromHours(1), None);

        now = (await reports.BeginSend(now, "octocat", Lease, None))!;
        await reports.SetReported(now, 8, "comment 8", None);
        Assert.Equal(8, await store.Scalar<long>("select comment_id from reports"));
    }

    [Fact]
    public async Task A_comment_of_another_login_is_left_to_that()
    {
        await Route(ReportPolicy.Comment);
        await Tell();
        await Take();
        var begun = (await reports.BeginSend((await Claim("One"))!, "One", Lease, None))!;
        await reports.SetReported(begun, 7, "comment 7", None);

        await Tell();
        await Take();

        Assert.Null(await Claim("two"));
        Assert.Equal("one", (await Claim("oNe"))!.Author);
    }

    [Fact]
    public async Task Wakes_own_comment_is_known_by_its_id_place_and_author_and_a_second_one_is_noted()
    {
        await Route(ReportPolicy.Comment);
        await Tell();
        await Take();
        var due = (await reports.BeginSend((await Claim())!, "Octocat", Lease, None))!;

        Assert.True(await IsOwn("octoCat", due.Subject, 7));
        Assert.True(await IsOwn("octocat", due.Subject, 7));
        // What was published by hand may be written otherwise than what GitHub's events have.
        Assert.True(await IsOwn("octocat", due.Subject.Replace("octo-org", "Octo-Org"), 7));
        Assert.False(await IsOwn("mallory", due.Subject, 7));
        Assert.False(await IsOwn("octocat", $"{due.Subject}1", 7));
        await reports.SetReported(due, 7, "comment 7", None);
        Assert.True(await IsOwn("octocat", due.Subject, 8));

        var seen = (await store.Explain.ExplainSession(Key, None))!
            .Ledger.Where(x => x.What == "ownComment")
            .Select(x => x.Note!);
        Assert.Equal(
            [
                $"github:poll has seen comment 7 on {pull}, with which this session reports: it wakes nobody",
                $"github:poll has seen comment 8 on {pull}, with which this session reports: it wakes nobody. It is a "
                    + "second one",
            ],
            seen
        );
        var audit = await new ConsistencyAudit(store.Database).CheckRules(None);
        Assert.Equal(1, audit.Single(x => x.Rule == "A session reports on a subject in one comment.").Broken);

        Task<bool> IsOwn(string author, string subject, long comment) =>
            reports.IsOwnComment(due.Id, subject, author, comment, "github:poll", None);
    }

    [Fact]
    public async Task What_is_owed_and_what_was_refused_is_explained()
    {
        await Route(ReportPolicy.Comment);
        await Tell();
        await Take();

        Assert.EndsWith(": no producer with an account for it runs", (await Owed()).Note);
        await new FactChecks(store.Database).Register(Guid.NewGuid(), [pull], ["*"], None);
        await reports.SetFailed((await Claim())!, "status 502", TimeSpan.FromHours(1), None);
        Assert.Matches("comment on .*: is sent at .*Z, status 502$", (await Owed()).Note);

        await store.Execute("update reports set due_at = now()");
        var due = (await reports.BeginSend((await Claim())!, "one", Lease, None))!;
        await reports.SetRefused(due, "status 403", deleted: false, unsent: true, None);
        var explained = (await store.Explain.ExplainSession(Key, None))!.Ledger;
        Assert.Equal($"{pull}: status 403", Assert.Single(explained, x => x.What == "notReported").Note);
        Assert.DoesNotContain(explained, x => x.What == "reporting");

        // The next turn is tried all the same, by whoever may.
        await Tell();
        await Take();
        Assert.Null((await Claim("two"))!.Author);

        async Task<Store.LedgerLine> Owed() =>
            Assert.Single((await store.Explain.ExplainSession(Key, None))!.Ledger, x => x.What == "reporting");
    }

    [Fact]
    public async Task Where_a_person_has_deleted_the_comment_nothing_is_owed_any_more()
    {
        await Route(ReportPolicy.Comment);
        await Tell();
        await Take();
        await reports.SetRefused((await Claim())!, "it was deleted", deleted: true, unsent: false, None);

        await Tell();
        await Take();

        Assert.False(await reports.AnyDue(None));
        Assert.Equal(
            "its comment was deleted",
            await store.Scalar<string>("select refused from report_turns where wake_number = 2")
        );
    }

    [Fact]
    public async Task A_route_says_what_it_was_given()
    {
        await Route(ReportPolicy.Status);
        Assert.Equal(ReportPolicy.Status, Assert.Single(await store.Routes.List(None)).Definition.Report);
    }

    [Fact]
    public void A_policy_that_there_is_not_is_refused() =>
        Assert.Contains(
            ("report", "must be none, comment or status."),
            new RouteDefinition
            {
                Session = "x",
                Workspace = "/",
                Report = (ReportPolicy)7,
            }.Problems("x")
        );
}
