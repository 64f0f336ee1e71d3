using System.ComponentModel;
using System.Text;
using System.Text.Json;
using ModelContextProtocol;
using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary>
/// What an agent can do over MCP: for its own session, through the HTTP door, with the door's own answers and refusals.
/// </summary>
sealed class McpTools(WakeClient wake, string? named)
{
    [Description("Have this session woken when something happens outside. Events of the last five minutes count, too.")]
    public async Task<string> Watch(
        [Description("A pull request or issue of GitHub: owner/repo#972, or its page. This or subject is required.")]
            string? pull_request = null,
        [Description("What to watch, as producers name it: github:owner/repo#972. * stands for anything.")]
            string? subject = null,
        [Description(
            "Event types to match, with * for anything; left out, all. Of pull_request then reviews, comments, CI as "
                + "one sum, conflicts, whether it can be merged, and its end. Like github.pull_request.merged, "
                + "github.pull_request.conflicted, github.pull_request.ready, github.pull_request.review_submitted, "
                + "github.ci.completed (all checks together, once; watch conflicts too, which keep CI from running), "
                + "github.deployment.completed."
        )]
            string[]? types = null,
        [Description("What else must hold, each like 'data.conclusion = failure' or 'actor != octocat'.")]
            string[]? where = null,
        [Description("Event types whose first event ends the watch, like github.pull_request.merged.")]
            string[]? until = null,
        [Description("Whether the first event that wakes you ends the watch.")] bool once = false,
        [Description("A note to yourself, shown when you are woken: what you meant to do then.")] string? intent = null,
        [Description(
            "When the watch ends by itself: a time like 2031-02-03T04:05:06Z, or a duration from now like 2h or 7d."
        )]
            string? expires = null,
        [Description(
            "When an event is to have woken you, as a time or a duration like expires: if none has by then, you are "
                + "woken and told so. With CI of a pull request of GitHub also required checks that have not started."
        )]
            string? expect_by = null,
        [Description(
            "close: this session is closed when the pull request or issue is merged or closed. Left out, it goes on."
        )]
            EndPolicy? on_end = null,
        [Description("With on_end close: how long after that, like 1h. Left out, at once.")] string? close_after = null,
        [Description(
            "Whether failed jobs of GitHub Actions are run again before you are told, and your attempts to mend CI are "
                + "counted: when they are spent, a person is asked. The settings below switch it on, too."
        )]
            bool ci_loop = false,
        [Description("Whether failed jobs are run again first. Default: true.")] bool? rerun_first = null,
        [Description("How often you try to mend one check. Default: 3.")] int? attempts_per_check = null,
        [Description("How often you try to mend CI of one pull request. Default: 6.")]
            int? attempts_per_pull_request = null,
        [Description("Whether a person is asked when the attempts are spent. Default: true.")] bool? escalate = null,
        [Description(
            "Where the results of your turns are reported: comment, in one comment on the pull request or issue, or "
                + "status, on its commit. For a session that a person has open. Left out, what the owner has set."
        )]
            ReportPolicy? report = null,
        CancellationToken cancel = default
    )
    {
        if (pull_request is null == subject is null)
            throw new McpException("Say what to watch with pull_request or with subject, and not with both.");

        var (ends, deadline) = (ParseMoment(expires), ParseMoment(expect_by));
        var ci =
            ci_loop
            || (rerun_first ?? escalate) is not null
            || (attempts_per_check ?? attempts_per_pull_request) is not null
                ? new CiPolicy
                {
                    RerunFirst = rerun_first,
                    AttemptsPerCheck = attempts_per_check,
                    AttemptsPerPullRequest = attempts_per_pull_request,
                    Escalate = escalate,
                }
                : null;
        var wanted = NullIfEmpty(types) ?? (subject is null ? PullRequestSubject.DefaultTypes : null);
        var watched =
            subject
            ?? PullRequestSubject.Parse(pull_request!)
            ?? throw new McpException($"'{pull_request}' is not a pull request like owner/repo#972.");
        return await CallForSession(
            key =>
                wake.Post(
                    "/v1/watches",
                    new NewWatch(
                        key,
                        watched,
                        ci is null || wanted is null ? wanted : [.. wanted.Union(PullRequestSubject.CiTypes)],
                        NullIfEmpty(where),
                        NullIfEmpty(until),
                        once,
                        intent,
                        ends
                    )
                    {
                        Ci = ci,
                        Report = report,
                        ExpectBy = deadline,
                        OnEnd = on_end,
                        CloseAfterSeconds = ParseDuration(close_after),
                    },
                    RequestJson.Default.NewWatch,
                    cancel
                ),
            cancel
        );
    }

    [Description("List what this session watches.")]
    public Task<string> ListWatches(CancellationToken cancel = default) =>
        CallForSession(
            key => List(key, WakeClient.WithQuery("/v1/watches", ("session", key), ("limit", "1000")), cancel),
            cancel
        );

    [Description("End a watch of this session.")]
    public async Task<string> CancelWatch(
        [Description("The id of the watch; list_watches has it.")] string id,
        CancellationToken cancel = default
    )
    {
        var watches = JsonSerializer.Deserialize(await ListWatches(cancel), CliJson.Default.WatchArray) ?? [];
        if (!Guid.TryParse(id, out var watch) || !Array.Exists(watches, x => x.Id == watch))
            throw new McpException($"This session has no watch {id}.");

        await CallApi(() => wake.Delete($"/v1/watches/{watch}", cancel));
        return "Ended.";
    }

    [Description("Have this session woken at a time, whatever happens.")]
    public Task<string> ScheduleWake(
        [Description("When: a time like 2031-02-03T04:05:06Z, or a duration from now like 30m or 2h.")] string at,
        [Description("What you are told then.")] string reason,
        CancellationToken cancel = default
    )
    {
        var body = new NewScheduledWake(reason, ParseMoment(at));
        return CallForSession(
            key => wake.Post(ScheduleCommand.ApiPath(key), body, RequestJson.Default.NewScheduledWake, cancel),
            cancel
        );
    }

    [Description("List the times at which this session is to be woken.")]
    public Task<string> ListScheduledWakes(CancellationToken cancel = default) =>
        CallForSession(key => wake.Get(ScheduleCommand.ApiPath(key), cancel), cancel);

    [Description("Call off a wake of this session at a time.")]
    public async Task<string> CancelScheduledWake(
        [Description("The id of the wake; list_scheduled_wakes has it.")] string id,
        CancellationToken cancel = default
    )
    {
        await CallApi(() => ScheduleCommand.Cancel(wake, CurrentSession.ResolveOfParent(named), id, cancel));
        return "Called off.";
    }

    [Description("Find out why this session does or does not wake, or what became of an event.")]
    public Task<string> Explain(
        [Description("The id of an event; left out, the session itself is explained.")] string? event_id = null,
        CancellationToken cancel = default
    ) =>
        event_id is null
            ? CallForSession(key => wake.Get($"/v1/explain/sessions/{WakeClient.EscapeSegment(key)}", cancel), cancel)
            : CallApi(() => wake.Get($"/v1/explain/events/{WakeClient.EscapeSegment(event_id)}", cancel));

    [Description("List the newest events that came to this session, the newest first.")]
    public Task<string> ListEvents(
        [Description("Only those about this subject; * stands for anything.")] string? subject = null,
        [Description("Only those of this type, with * for anything, like github.ci.*.")] string? type = null,
        [Description("Only those with this text in their reason, subject or id.")] string? text = null,
        [Description("How many at most, up to 1000.")] int limit = 50,
        CancellationToken cancel = default
    ) =>
        CallForSession(
            key =>
                List(
                    key,
                    WakeClient.WithQuery(
                        "/v1/events",
                        ("session", key),
                        ("subject", subject),
                        ("type", type),
                        ("text", text),
                        ("limit", $"{limit}")
                    ),
                    cancel
                ),
            cancel
        );

    // The list of an unknown session is empty and no refusal, so it is asked for itself first.
    async Task<ApiResponse> List(string key, string path, CancellationToken cancel) =>
        await wake.Get($"/v1/sessions/{WakeClient.EscapeSegment(key)}", cancel) is { IsSuccess: false } refused
            ? refused
            : await wake.Get(path, cancel);

    Task<string> CallForSession(Func<string, Task<ApiResponse>> ask, CancellationToken cancel) =>
        CallApi(async () =>
            (
                await SessionRegistration.SendWithRegistration(wake, CurrentSession.ResolveOfParent(named), ask, cancel)
            ).Answer
        );

    // A refusal is told to the agent in the words a person would read.
    static async Task<string> CallApi(Func<Task<ApiResponse>> ask)
    {
        try
        {
            return Encoding.UTF8.GetString((await ask()).EnsureSuccess().Body);
        }
        catch (CommandException refused)
        {
            throw new McpException(refused.Message);
        }
    }

    static string[]? NullIfEmpty(string[]? values) => values is [] ? null : values;

    static int? ParseDuration(string? text) =>
        text is null ? null
        : TimeFormat.ParseDuration(text) is { } duration ? (int)duration.TotalSeconds
        : throw new McpException($"'{text}' is no duration like 1h or 7d.");

    static DateTimeOffset? ParseMoment(string? text)
    {
        if (text is null)
            return null;

        return TimeFormat.ParseMoment(text)
            ?? DateTimeOffset.UtcNow + TimeFormat.ParseDuration(text)
            ?? throw new McpException(
                $"'{text}' is neither a time like 2031-02-03T04:05:06Z nor a duration like 2h or 7d."
            );
    }
}
