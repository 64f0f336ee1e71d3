using System.Text.Json;
using Wake.Contracts;
using Wake.Store;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

/// <summary>Which session a route means, and when it begins one.</summary>
public sealed class RoutingToSessions(TestStore store) : IClassFixture<TestStore>, IAsyncLifetime
{
    static readonly CancellationToken None = CancellationToken.None;

    readonly string repository = $"test:{Guid.NewGuid():N}";

    public Task InitializeAsync() =>
        store.Routes.ReplaceConfigured(
            new Dictionary<string, RouteDefinition>
            {
                ["assigned"] = Terms("implementer@{subject}", "issue.assigned"),
                ["review"] = Terms("reviewer@{subject}", "pr.review_requested"),
                ["changes"] = Terms("implementer@{subject}", "pr.reviewed") with
                {
                    Where = ["data.state = changes_requested"],
                },
            },
            None
        );

    public Task DisposeAsync() => store.Routes.ReplaceConfigured(new Dictionary<string, RouteDefinition>(), None);

    [Fact]
    public async Task A_session_begins_with_the_first_event_and_is_meant_by_all_that_follow()
    {
        var first = Assert.Single(await store.Accept(Event("#1", "issue.assigned")));
        var second = Assert.Single(await store.Accept(Event("#1", "issue.assigned")));

        var key = $"implementer@{repository}#1";
        Assert.Equal((IntakeOutcome.Routed, key), (first.Outcome, Assert.Single(first.Sessions)));
        Assert.Equal([key], second.Sessions);
        var session = (await store.Sessions.Find(key, None))!;
        Assert.Equal((2, "coder"), (session.Inbox, session.Profile));
        Assert.Matches("^/srv/wake/implementer-test-[0-9a-f]{32}-1-[0-9a-f]{12}$", session.Workspace);
        Assert.Contains((await store.Timers.ClaimDue(1000, TimeSpan.FromMinutes(1), None)).Due, x => x == session.Id);
        Assert.Equal(["created"], (await store.Explain.ExplainSession(key, None))!.Ledger.Select(x => x.What));
        Assert.Equal(
            ("assigned", null),
            (await Delivered(second.Id)) is { } delivery ? (delivery.Route, delivery.Watch) : default
        );
    }

    [Fact]
    public async Task One_batch_begins_each_session_once()
    {
        var decisions = await store.Accept(
            Event("#2", "issue.assigned"),
            Event("#2", "issue.assigned"),
            Event("#2", "pr.review_requested")
        );

        Assert.Equal(
            [
                [$"implementer@{repository}#2"],
                [$"implementer@{repository}#2"],
                [$"reviewer@{repository}#2"],
            ],
            decisions.Select(x => x.Sessions)
        );
        Assert.Equal(2, (await store.Sessions.Find($"implementer@{repository}#2", None))!.Inbox);
    }

    [Fact]
    public async Task Batches_at_the_same_time_begin_each_session_once_and_lose_nothing()
    {
        var decisions = await Task.WhenAll(
            Enumerable
                .Range(0, 20)
                .Select(_ =>
                    Task.Run(() =>
                        store.Accept([
                            .. Enumerable.Range(100, 10).Reverse().Select(x => Event($"#{x}", "issue.assigned")),
                        ])
                    )
                )
        );

        Assert.All(decisions.SelectMany(x => x), x => Assert.Single(x.Sessions));
        for (var i = 100; i < 110; i++)
            Assert.Equal(20, (await store.Sessions.Find($"implementer@{repository}#{i}", None))!.Inbox);
    }

    [Fact]
    public async Task What_is_said_of_a_pull_request_goes_to_the_session_of_the_issue_it_is_related_to()
    {
        await store.Accept(Event("#3", "issue.assigned"));

        var review = Event("#4", "pr.reviewed", "changes_requested") with
        {
            Related = [$"{repository}@abc", $"{repository}#3"],
        };

        Assert.Equal([$"implementer@{repository}#3"], (await store.Accept(review))[0].Sessions);
        Assert.Null(await store.Sessions.Find($"implementer@{repository}#4", None));
    }

    [Fact]
    public async Task Also_when_the_issue_was_assigned_in_the_same_batch()
    {
        var decisions = await store.Accept(
            Event("#5", "issue.assigned"),
            Event("#6", "pr.reviewed", "changes_requested") with
            {
                Related = [$"{repository}#5"],
            }
        );

        Assert.Equal(
            [
                [$"implementer@{repository}#5"],
                [$"implementer@{repository}#5"],
            ],
            decisions.Select(x => x.Sessions)
        );
    }

    [Fact]
    public async Task Or_to_the_session_of_its_kind_that_watches_the_pull_request()
    {
        var (implementer, reviewer) = ($"implementer@{repository}#7", $"reviewer@{repository}#8");
        await store.Accept(Event("#7", "issue.assigned"), Event("#8", "pr.review_requested"));
        await store.Watches.Create(implementer, new($"{repository}#8") { Types = ["ci.*"] }, None);
        await store.Watches.Create(reviewer, new($"{repository}#8") { Types = ["pr.pushed"] }, None);

        Assert.Equal([implementer], (await store.Accept(Event("#8", "pr.reviewed", "changes_requested")))[0].Sessions);
    }

    [Fact]
    public async Task A_review_that_asks_for_nothing_and_an_ambient_event_begin_no_session()
    {
        var decisions = await store.Accept(
            Event("#9", "pr.reviewed", "approved"),
            Event("#9", "issue.assigned") with
            {
                Delivery = Delivery.Ambient,
            }
        );

        Assert.All(decisions, x => Assert.Equal(IntakeOutcome.Unwatched, x.Outcome));
        Assert.Null(await store.Sessions.Find($"implementer@{repository}#9", None));
    }

    [Fact]
    public async Task A_closed_session_is_followed_by_a_new_one()
    {
        var key = $"implementer@{repository}#10";
        await store.Accept(Event("#10", "issue.assigned"));
        var before = (await store.Sessions.Find(key, None))!.Id;
        await store.Sessions.Close(key, None);

        Assert.Equal([key], (await store.Accept(Event("#10", "issue.assigned")))[0].Sessions);

        Assert.NotEqual(before, (await store.Sessions.Find(key, None))!.Id);
    }

    [Fact]
    public async Task A_watch_of_the_session_and_a_route_to_it_tell_it_once()
    {
        var key = $"implementer@{repository}#11";
        await store.Accept(Event("#11", "issue.assigned"));
        await store.Watches.Create(key, new($"{repository}#11") { Intent = "see who else is on it" }, None);

        var again = Assert.Single(await store.Accept(Event("#11", "issue.assigned")));

        Assert.Equal([key], again.Sessions);
        Assert.Equal(
            ("assigned", "see who else is on it"),
            (await Delivered(again.Id)) is { } delivery ? (delivery.Route, delivery.Intent) : default
        );
    }

    [Theory]
    [InlineData("/../../etc")]
    [InlineData("{session}{subject}")]
    [InlineData("\n$(touch /tmp/x) `id` ';--")]
    [InlineData("\u202e 🚀 %_\\")]
    public async Task Hostile_subjects_make_keys_that_can_be_used_and_stay_below_the_root(string subject)
    {
        await IsUsable($"{repository}{subject}");
        await IsUsable(
            $"{repository}{subject}{new string('é', EventLimits.MaxKeyLength - repository.Length - subject.Length)}"
        );
        var rockets = (EventLimits.MaxKeyLength - repository.Length - subject.Length) / 2;
        await IsUsable($"{repository}{subject}{string.Concat(Enumerable.Repeat("🚀", rockets))}");

        async Task IsUsable(string whole)
        {
            var decision = Assert.Single(await store.Accept(Event("", "issue.assigned") with { Subject = whole }));
            var key = Assert.Single(decision.Sessions);
            Assert.Null(EventValidation.TextProblem(key, EventLimits.MaxKeyLength));
            var workspace = (await store.Sessions.Find(key, None))!.Workspace;
            Assert.Equal("/srv/wake", Path.GetDirectoryName(Path.GetFullPath(workspace)));
            Assert.Matches("^[A-Za-z0-9_-]+$", Path.GetFileName(workspace));

            Assert.Equal([key], (await store.Accept(Event("", "issue.assigned") with { Subject = whole }))[0].Sessions);
        }
    }

    [Fact]
    public async Task Subjects_that_look_alike_to_a_file_system_get_directories_of_their_own()
    {
        var decisions = await store.Accept(
            Event("#a/b", "issue.assigned"),
            Event("#a-b", "issue.assigned"),
            Event("#a.b", "issue.assigned")
        );

        var workspaces = new HashSet<string>();
        foreach (var key in decisions.SelectMany(x => x.Sessions))
            workspaces.Add((await store.Sessions.Find(key, None))!.Workspace);
        Assert.Equal(3, workspaces.Count);
    }

    [Fact]
    public async Task What_was_routed_keeps_the_words_it_was_routed_with()
    {
        var terms = Terms("worded@{subject}", "worded") with { FullPrompt = "in full", DeltaPrompt = "in short" };
        await store.Routes.Put("worded", terms, None);
        var decision = Assert.Single(await store.Accept(Event("#12", "worded")));
        await store.Routes.Put("worded", terms with { FullPrompt = "otherwise" }, None);
        await store.Routes.Delete("worded", None);

        var id = (await store.Sessions.Find($"worded@{repository}#12", None))!.Id;
        var told = Assert.Single((await store.OpenTurn(id)).Events);

        Assert.Equal(("in full", "in short"), (told.FullPrompt, told.DeltaPrompt));
        Assert.Equal("worded", (await Delivered(decision.Id))!.Route);
        Assert.Empty((await store.Accept(Event("#13", "worded")))[0].Sessions);
    }

    [Fact]
    public async Task The_configuration_counts_more_than_the_api_and_takes_back_what_it_gave()
    {
        await store.Routes.Put("own", Terms("own@{subject}", "own"), None);
        Assert.Null(await store.Routes.Put("assigned", Terms("other@{subject}", "other"), None));
        Assert.False(await store.Routes.Delete("assigned", None));

        var before = await store.Routes.List(None);
        await store.Routes.ReplaceConfigured(
            new Dictionary<string, RouteDefinition> { ["own"] = Terms("configured@{subject}", "own") },
            None
        );
        var after = await store.Routes.List(None);

        Assert.Equal(["assigned", "changes", "own", "review"], before.Select(x => x.Name));
        Assert.Equal((true, "configured@{subject}"), after.Select(x => (x.Configured, x.Definition.Session)).Single());
        await store.Routes.ReplaceConfigured(
            new Dictionary<string, RouteDefinition> { ["own"] = Terms("configured@{subject}", "own") },
            None
        );
        Assert.Equal(after[0].Created, (await store.Routes.List(None))[0].Created);
    }

    public static TheoryData<string, RouteDefinition> WrongRoutes =>
        new()
        {
            { "../up", Terms("k@{subject}", "t") },
            { "r", Terms("{subject}", "t") },
            { "r", Terms("..{subject}", "t") },
            { "r", Terms("k@{actor}", "t") },
            { "r", Terms("", "t") },
            { "r", Terms("k", "t") with { Workspace = "relative/{session}" } },
            { "r", Terms("k", "t") with { Workspace = "/srv/{session}/../.." } },
            { "r", Terms("k", "t") with { Workspace = "/srv/{subject}" } },
            { "r", Terms("k", "t") with { Workspace = null } },
            { "r", Terms("k", "t") with { Workspace = $"/srv/{new string('w', 256)}" } },
            { "r", Terms("k", "t") with { Workspace = $"/srv/{new string('w', 200)}{{session}}" } },
            { "r", Terms("k", "t") with { Workspace = "/srv/\0" } },
            { "r", Terms("k", "t") with { Where = ["nonsense"] } },
            { "r", Terms("k", "t") with { Types = [] } },
            { "r", Terms("k", "t") with { FullPrompt = "\u0001events" } },
        };

    [Theory]
    [MemberData(nameof(WrongRoutes))]
    public void A_route_that_is_none_is_refused(string name, RouteDefinition terms) =>
        Assert.NotEmpty(terms.Problems(name));

    [Theory]
    [InlineData("/tmp/{session}", "clones", null)]
    [InlineData("/tmp/a/b/c", "clones", null)]
    [InlineData("/tmp/{session}", "default", "has to be made by somebody else")]
    [InlineData("/tmp/{session}", "without", "The profile without names no Repository")]
    [InlineData("/tmp/{session}", "unknown", "has to be made by somebody else")]
    [InlineData("/nowhere", null, "does not exist on this machine")]
    [InlineData("/etc/passwd", "clones", "/etc/passwd is no directory")]
    [InlineData("/etc/passwd/{session}", "clones", "/etc/passwd is no directory")]
    [InlineData("/tmp", null, null)]
    public void What_may_keep_the_sessions_of_a_route_from_working_is_said(
        string workspace,
        string? profile,
        string? warning
    )
    {
        var profiles = new Profiles
        {
            ["clones"] = new() { Repository = "https://example.invalid/hello.git" },
            ["without"] = new(),
        };

        var said = WorkspaceDirectory.Warning(
            Terms("k@{subject}", "t") with
            {
                Workspace = workspace,
                Profile = profile,
            },
            profiles
        );

        if (warning is null)
            Assert.Null(said);
        else
            Assert.Contains(warning, said);
    }

    async Task<InboxEntry?> Delivered(string id) =>
        (await store.Explain.ExplainEvent(id, null, None))!.InboxEntries.SingleOrDefault();

    static RouteDefinition Terms(string session, string type) =>
        new()
        {
            Session = session,
            Types = [type],
            Workspace = "/srv/wake/{session}",
            Profile = "coder",
        };

    ExternalEventObserved Event(string number, string type, string? state = null) =>
        WakeSystem.Event($"{repository}{number}", Guid.NewGuid().ToString()) with
        {
            Type = type,
            DedupKey = null,
            Data = JsonElement.Parse(JsonSerializer.Serialize(new { state })),
        };
}
