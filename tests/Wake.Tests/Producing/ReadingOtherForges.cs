using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Wake.Contracts;
using Wake.Producers.Webhooks;
using Wake.Producing;

namespace Wake.Tests.Producing;

/// <summary>What GitLab, Forgejo and Gitea put into one delivery, and GitHub into several.</summary>
public sealed class ReadingOtherForges
{
    const string Updated = "2026-11-28T10:05:00Z";

    static IReadOnlyList<string> Facts(string file, string changes) =>
        [.. Mapped(file, changes).Events.Select(x => x.DedupKey!.Replace($"|{Updated}", "", StringComparison.Ordinal))];

    static EventMapping Mapped(string file, string changes, string? event_ = null)
    {
        var payload = Payload.Of($"other-forges/{file}");
        var json = JsonNode.Parse(payload.Bytes)!.AsObject();
        Merge(json, JsonNode.Parse(changes)!.AsObject());
        var headers = payload.Headers();
        if (event_ is not null)
            headers["X-Gitea-Event"] = headers["X-Forgejo-Event"] = event_;
        return payload.Sender.Map(new("test", headers, Encoding.UTF8.GetBytes(json.ToJsonString())));
    }

    static void Merge(JsonObject into, JsonObject from)
    {
        foreach (var (name, value) in from)
        {
            if (value is JsonObject inner && into[name] is JsonObject outer)
                Merge(outer, inner);
            else
                into[name] = value?.DeepClone();
        }
    }

    [Fact]
    public void An_opening_tells_also_who_was_asked_and_what_was_put_on_it() =>
        Assert.Equal(
            [
                "gitlab.merge_request.opened|gitlab@gitlab.example.com:team/app!4",
                "gitlab.merge_request.review_requested|gitlab@gitlab.example.com:team/app!4|user:review-bot",
                "gitlab.merge_request.assigned|gitlab@gitlab.example.com:team/app!4|work-bot",
                "gitlab.merge_request.labeled|gitlab@gitlab.example.com:team/app!4|agent-ready",
            ],
            Facts("gitlab.merge_request.update.labeled.json", """{"object_attributes":{"action":"open"}}""")
        );

    static string States(string file, string changes) =>
        string.Join(
            ' ',
            Mapped(file, changes)
                .Events.Where(x => x.Type.Split('.')[^1] is "conflicted" or "behind" or "blocked" or "ready")
                .Select(x => $"{x.DedupKey!.Split('.', 3)[2]} {x.Data?.GetProperty("head")}")
        );

    [Theory]
    [InlineData("conflict", "conflicted|gitlab.example.com:team/app!4|COMMIT COMMIT")]
    [InlineData("need_rebase", "behind|gitlab.example.com:team/app!4|COMMIT COMMIT")]
    [InlineData("mergeable", "ready|gitlab.example.com:team/app!4|COMMIT COMMIT")]
    [InlineData("not_approved", "blocked|gitlab.example.com:team/app!4|COMMIT|review_missing COMMIT")]
    [InlineData(
        "discussions_not_resolved",
        "blocked|gitlab.example.com:team/app!4|COMMIT|conversation_unresolved COMMIT"
    )]
    [InlineData("ci_must_pass", "blocked|gitlab.example.com:team/app!4|COMMIT|check_missing COMMIT")]
    [InlineData("checking", "")]
    [InlineData("unchecked", "")]
    [InlineData("preparing", "")]
    [InlineData("ci_still_running", "")]
    [InlineData("draft_status", "")]
    [InlineData("something new", "")]
    public void GitLab_tells_whether_a_merge_request_can_be_merged_with_its_next_delivery(string status, string told)
    {
        string Said(string action) =>
            States(
                    "gitlab.merge_request.update.labeled.json",
                    $$"""
                    {"object_attributes":{
                        "action":"{{action}}","state":"opened","detailed_merge_status":"{{status}}",
                        "last_commit":{"id":"COMMIT"}
                    } }
                    """
                )
                .Replace("gitlab@", "", StringComparison.Ordinal);

        Assert.Equal(told, Said("update"));
        Assert.Equal(told.StartsWith("conflicted", StringComparison.Ordinal) ? told : "", Said("open"));
    }

    [Theory]
    [InlineData("assigned", """{"mergeable":false}""", true)]
    [InlineData("assigned", """{"mergeable":true}""", false)]
    [InlineData("assigned", """{"mergeable":null}""", false)]
    // It has just been told of new commits, and checks them.
    [InlineData("synchronized", """{"mergeable":false}""", false)]
    [InlineData("opened", """{"mergeable":false}""", false)]
    [InlineData("assigned", """{"mergeable":false,"created_at":"2026-11-28T10:04:30Z"}""", false)]
    // A draft is not mergeable either.
    [InlineData("assigned", """{"mergeable":false,"title":"WIP: A thing"}""", false)]
    [InlineData("assigned", """{"mergeable":false,"state":"closed"}""", false)]
    public void Forgejo_tells_of_a_conflict_when_it_can_be_nothing_else(string action, string pull, bool told)
    {
        var given = JsonNode
            .Parse(
                """
                {"state":"open","title":"A thing","created_at":"2026-11-28T09:00:00Z","updated_at":"2026-11-28T10:05:00Z",
                 "head":{"sha":"COMMIT"}}
                """
            )!
            .AsObject();
        Merge(given, JsonNode.Parse(pull)!.AsObject());

        Assert.Equal(
            told,
            States(
                "forgejo.pull_request.synchronized.json",
                new JsonObject { ["action"] = action, ["pull_request"] = given }.ToJsonString()
            )
                is ['c', ..]
        );
    }

    [Theory]
    // Nothing is added.
    [InlineData(
        """{"changes":{"labels":{"previous":[{"title":"agent-ready"},{"title":"bug"}],"current":[{"title":"agent-ready"}]}}}""",
        ""
    )]
    [InlineData("""{"changes":{"labels":null,"title":{"previous":"Draft: A","current":"Draft: Add a thing"}}}""", "")]
    [InlineData("""{"changes":{"labels":null,"draft":{"previous":false,"current":true}}}""", "")]
    [InlineData(
        """{"changes":{"labels":null,"reviewers":{"previous":[{"username":"a","re_requested":true}],"current":[{"username":"a","re_requested":true}]}}}""",
        ""
    )]
    // One of several is.
    [InlineData(
        """{"changes":{"labels":{"previous":[{"title":"bug"}],"current":[{"title":"agent-ready"},{"title":"bug"}]}}}""",
        "labeled|agent-ready"
    )]
    [InlineData(
        """{"changes":{"labels":null,"assignees":{"previous":[{"username":"mona"}],"current":[{"username":"Mona"},{"username":"Work-Bot"}]}}}""",
        "assigned|work-bot"
    )]
    // The title alone tells it, as older versions do.
    [InlineData(
        """{"changes":{"labels":null,"title":{"previous":"WIP: Add a thing","current":"Add a thing"}}}""",
        "ready_for_review"
    )]
    // Several at once.
    [InlineData(
        """{"object_attributes":{"oldrev":"b"},"changes":{"draft":{"previous":true,"current":false}}}""",
        "synchronized|aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ready_for_review labeled|agent-ready"
    )]
    [InlineData(
        """{"changes":{"labels":null,"reviewers":{"previous":[{"username":"a","state":"unreviewed"}],"current":[{"username":"a","state":"requested_changes"}]}}}""",
        "review_submitted|user:a|changes_requested"
    )]
    public void An_update_tells_what_it_adds_and_nothing_else(string changes, string facts) =>
        Assert.Equal(
            facts,
            string.Join(
                ' ',
                Facts("gitlab.merge_request.update.labeled.json", changes)
                    .Select(x =>
                        x.Replace("gitlab.merge_request.", "", StringComparison.Ordinal)
                            .Replace("|gitlab@gitlab.example.com:team/app!4", "", StringComparison.Ordinal)
                    )
            )
        );

    [Theory]
    [InlineData("""{"action":"label_updated","issue":{"labels":[{"name":"a"},{"name":"b"}]}}""", "labeled|a labeled|b")]
    [InlineData(
        """{"action":"label_updated","issue":{"labels":[{"name":"a"},{"name":"b"}]},"changes":{"added_labels":[{"name":"b"}]}}""",
        "labeled|b"
    )]
    [InlineData(
        """{"action":"label_updated","issue":{"labels":[{"name":"a"}]},"changes":{"removed_labels":[{"name":"b"}]}}""",
        ""
    )]
    [InlineData("""{"action":"label_cleared","issue":{"labels":[]}}""", "")]
    [InlineData(
        """{"action":"assigned","issue":{"assignee":{"login":"Mona"},"assignees":[{"login":"Mona"},{"login":"Work-Bot"}]}}""",
        "assigned|mona assigned|work-bot"
    )]
    [InlineData(
        """{"action":"assigned","issue":{"assignee":{"login":"work-bot"},"assignees":null}}""",
        "assigned|work-bot"
    )]
    [InlineData(
        """{"action":"opened","issue":{"labels":[{"name":"a"}],"assignees":[{"login":"work-bot"}]}}""",
        "opened assigned|work-bot labeled|a"
    )]
    [InlineData("""{"action":"unassigned","issue":{"assignees":[{"login":"mona"}]}}""", "")]
    public void Forgejo_tells_labels_and_assignees_of_an_issue(string changes, string facts) =>
        Assert.Equal(
            facts,
            string.Join(
                ' ',
                Facts("forgejo.issues.label_updated.json", changes)
                    .Select(x =>
                        x.Replace("forgejo.issue.", "", StringComparison.Ordinal)
                            .Replace("|forgejo@git.example.com:team/app#5", "", StringComparison.Ordinal)
                    )
            )
        );

    [Theory]
    [InlineData("""{"action":"label_updated","pull_request":{"labels":[{"name":"a"}]}}""", "labeled|a")]
    [InlineData("""{"action":"assigned","pull_request":{"assignees":[{"login":"work-bot"}]}}""", "assigned|work-bot")]
    [InlineData(
        """{"action":"review_requested","requested_reviewer":{"login":"Review-Bot"}}""",
        "review_requested|user:review-bot"
    )]
    [InlineData(
        """{"action":"opened","pull_request":{"requested_reviewers":[{"login":"review-bot"}],"labels":[{"name":"a"}]}}""",
        "opened review_requested|user:review-bot labeled|a"
    )]
    [InlineData("""{"changes":{"title":{"from":"[WIP] Add a thing"}}}""", "ready_for_review")]
    [InlineData("""{"pull_request":{"title":"Draft: Add a thing"}}""", "")]
    [InlineData("""{"pull_request":{"draft":true}}""", "")]
    [InlineData("""{"changes":{"title":{"from":"Add a think"}}}""", "")]
    [InlineData("""{"changes":{"title":null,"body":{"from":"x"}}}""", "")]
    public void And_those_of_a_pull_request_with_its_reviewers(string changes, string facts) =>
        Assert.Equal(
            facts,
            string.Join(
                ' ',
                Facts("forgejo.pull_request.edited.wip-to-ready.json", changes)
                    .Select(x =>
                        x.Replace("forgejo.pull_request.", "", StringComparison.Ordinal)
                            .Replace("|forgejo@git.example.com:team/app#6", "", StringComparison.Ordinal)
                    )
            )
        );

    [Fact]
    public void A_pipeline_that_waits_for_a_person_waits_again_at_its_next_manual_job()
    {
        string? Key(string builds) =>
            Assert.Single(Mapped("gitlab.pipeline.manual-blocked.json", $$"""{"builds":{{builds}}}""").Events).DedupKey;

        var first = Key("""[{"id":5,"status":"manual"},{"id":4,"status":"success"}]""");

        Assert.Equal(first, Key("""[{"id":4,"status":"success"},{"id":5,"status":"manual"}]"""));
        Assert.NotEqual(first, Key("""[{"id":5,"status":"success"},{"id":6,"status":"manual"}]"""));
    }

    [Theory]
    [InlineData("""{"event_name":"repository_update","changes":[]}""", "detail of a push")]
    [InlineData("""{"event_name":"tag_push","ref":"refs/tags/v1"}""", null)]
    [InlineData("""{"event_name":"user_create"}""", "event")]
    [InlineData("""{"event_name":"project_create","project":null}""", "no project")]
    [InlineData("""{"event_name":"push","object_kind":"push"}""", null)]
    public void A_system_hook_is_read_by_its_own_name_for_the_event(string changes, string? ignored) =>
        Assert.Equal(ignored, Mapped("gitlab.push.system-hook.json", changes).IgnoredReason);

    [Fact]
    public void A_run_that_goes_on_and_a_status_that_is_pending_are_no_news()
    {
        Assert.Equal(
            "action",
            Mapped("gitea.workflow_run.completed.json", """{"action":"in_progress"}""").IgnoredReason
        );
        Assert.Equal("pending", Mapped("gitea.status.failure.json", """{"state":"pending"}""").IgnoredReason);
        Assert.EndsWith(
            "|41|2",
            Assert
                .Single(Mapped("gitea.workflow_run.completed.json", """{"workflow_run":{"run_attempt":2}}""").Events)
                .DedupKey
        );
    }

    [Theory]
    [InlineData("#5", "pull_request", "forgejo@git.example.com:team/app#5")]
    [InlineData("#5", "push", "")]
    [InlineData("main", "push", "")]
    public void A_run_of_forgejo_concerns_the_pull_request_it_ran_for(string on, string trigger, string related)
    {
        var run = JsonSerializer.SerializeToUtf8Bytes(
            new
            {
                action = "failure",
                run = new
                {
                    id = 7,
                    commit_sha = "a1",
                    title = "Add a thing",
                    prettyref = on,
                    @event = trigger,
                    stopped = Updated,
                    repository = new { full_name = "team/app", html_url = "https://git.example.com/team/app" },
                },
            }
        );
        var headers = new Dictionary<string, string> { ["X-Forgejo-Event"] = "action_run_failure" };

        var observed = Assert.Single(
            WebhookProviders
                .Create(new() { Sender = WebhookProviderKind.Forgejo })
                .Map(new("test", headers, run))
                .Events
        );

        Assert.Equal(
            $"forgejo.workflow_run.completed|forgejo@git.example.com:team/app@a1|7|{Updated}",
            observed.DedupKey
        );
        Assert.Equal(related, string.Join(' ', observed.Related ?? []));
    }

    [Theory]
    [InlineData("forgejo.issue_comment.by-the-agent.json", WebhookProviderKind.Forgejo)]
    [InlineData("gitlab.note.by-the-agent.json", WebhookProviderKind.GitLab)]
    public void What_the_agent_itself_wrote_starts_no_turn(string file, WebhookProviderKind kind)
    {
        var request = Payload.Of($"other-forges/{file}").Request();
        Delivery Of(params string[] logins) =>
            Assert
                .Single(WebhookProviders.Create(new() { Sender = kind, OwnLogins = logins }).Map(request).Events)
                .Delivery;

        Assert.Equal(Delivery.Wake, Of());
        Assert.Equal(Delivery.Wake, Of("mona"));
        Assert.Equal(Delivery.Ambient, Of("mona", "Work-Bot"));
    }

    [Fact]
    public void A_review_is_its_reviewers_word_and_not_that_of_whose_pull_request_it_is()
    {
        var payload = Payload.Of("other-forges/gitea.pull_request.review_approved.json");
        var (author, reviewer) = (
            payload.Json.Text("pull_request", "user", "login")!,
            payload.Json.Text("sender", "login")!
        );
        Delivery Of(string login) =>
            Assert
                .Single(
                    WebhookProviders
                        .Create(new() { Sender = WebhookProviderKind.Gitea, OwnLogins = [login] })
                        .Map(payload.Request())
                        .Events
                )
                .Delivery;

        Assert.Equal(Delivery.Ambient, Of(reviewer));
        if (author != reviewer)
            Assert.Equal(Delivery.Wake, Of(author));
    }

    [Fact]
    public void What_the_agent_does_otherwise_still_wakes_who_waits_for_it() =>
        Assert.Equal(
            Delivery.Wake,
            Assert
                .Single(
                    WebhookProviders
                        .Create(new() { Sender = WebhookProviderKind.GitLab, OwnLogins = ["mona"] })
                        .Map(Payload.Of("other-forges/gitlab.merge_request.update.draft-to-ready.json").Request())
                        .Events
                )
                .Delivery
        );
}
