using System.CommandLine;
using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary><c>wake watch</c>: a session wants to hear of something.</summary>
sealed class WatchCommand : ClientCommand
{
    readonly Option<string?> session = CurrentSession.CreateOption("The session to wake.");

    readonly Option<string?> subject = new("--subject")
    {
        HelpName = "S",
        Description = "The subject to match; * stands for anything. This or --pr is required.",
    };

    readonly Option<string?> pullRequest = new("--pr")
    {
        HelpName = "OWNER/REPO#N|URL",
        Description =
            "The subject is this pull request, or issue, of GitHub. With no types: reviews, comments, CI as one sum, "
            + "conflicts, whether it can be merged, and its end.",
    };

    readonly Option<string[]> types = new("--type")
    {
        HelpName = "T",
        Arity = ArgumentArity.OneOrMore,
        Description =
            "An event type to match, with * for anything; may be repeated. Default: all; of --pr what it says.",
    };

    readonly Option<bool> ci = CommonOptions.Flag(
        "--ci",
        "Adds the CI rollup event types: one event when all checks have completed, or only hung ones remain. A "
            + "conflict of a pull request, which may keep CI from running, counts as a failure. Combines with --type."
    );
    readonly Option<bool> ciLoop = CommonOptions.Flag(
        "--ci-loop",
        "Runs failed jobs of GitHub Actions again before the session is told, counts its attempts to mend CI, and "
            + "parks it when they are spent. Implies --ci."
    );
    readonly Option<bool> deploy = CommonOptions.Flag(
        "--deploy",
        "The types are finished deployments, and others that are named."
    );

    readonly Option<string[]> where = new("--where")
    {
        HelpName = "CONDITION",
        Arity = ArgumentArity.OneOrMore,
        Description =
            "What else must hold, like 'data.conclusion = failure' or 'actor != octocat'; all of them if repeated.",
    };

    readonly Option<string[]> until = new("--until")
    {
        HelpName = "T",
        Arity = ArgumentArity.OneOrMore,
        Description = "The first event of this type ends it, like github.pull_request.merged; may be repeated.",
    };

    readonly Option<bool> once = CommonOptions.Flag(
        "--once",
        "The first event that wakes the session ends it. One that waits for its next turn does not."
    );

    readonly Option<string?> intent = new("--intent")
    {
        HelpName = "TEXT",
        Description = "A note to the session, shown when it wakes: then deploy it.",
    };

    readonly Option<DateTimeOffset?> expires = TimeFormat.EndOption(
        "--expires",
        "When it ends by itself. Default: with the session."
    );

    readonly Option<DateTimeOffset?> expectBy = TimeFormat.EndOption(
        "--expect-by",
        "When an event is to have woken the session, at most 28 days ahead: if none has by then, it is told so. With "
            + "CI of a pull request of GitHub also required checks that have not started that long after the last push."
    );

    readonly Option<EndPolicy?> onEnd = EndOptions.OnEnd(
        "What becomes of the session when the pull request or issue is merged or closed, or the branch deleted, "
            + "whatever types it watches for."
    );
    readonly Option<TimeSpan?> closeAfter = EndOptions.CloseAfter();

    readonly Option<ReportPolicy?> report = ReportOption.Create(
        "Where the results of turns are reported that its events wake. Default: what the route or the profile says."
    );

    public WatchCommand()
        : base(
            "watch",
            "Wakes a session when events match, those of the last minutes included.",
            """
            Examples:
              wake watch --session implementer --pr octo-org/hello#972 --until github.pull_request.merged --intent "then deploy it"
              wake watch --session implementer --pr octo-org/hello#972 --ci --where "data.conclusion = failure" --once
              wake watch --session implementer --pr octo-org/hello#972 --ci --expect-by 2h
              wake watch --session implementer --pr octo-org/hello#972 --on-end close --close-after 1h
              wake watch --session implementer --subject "github:octo-org/hello#972" --type "github.pull_request.*" --expires 7d
            """
        )
    {
        Accepts(
            session,
            pullRequest,
            subject,
            types,
            ci,
            ciLoop,
            deploy,
            where,
            until,
            once,
            intent,
            expires,
            expectBy,
            onEnd,
            closeAfter,
            report
        );
        Validators.Add(given =>
        {
            if (given.GetResult(subject) is null == given.GetResult(pullRequest) is null)
                given.AddError("Say with --pr or with --subject, and not with both, what it shall watch.");
            else if (given.GetValue(pullRequest) is { } named && PullRequestSubject.Parse(named) is null)
                given.AddError($"--pr: '{named}' is not a pull request like octo-org/hello#972, nor the page of one.");
        });
    }

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var (_, answer) = await SessionRegistration.SendWithRegistration(
            wake,
            CurrentSession.Resolve(given.GetValue(session)),
            key => wake.Post("/v1/watches", WatchRequest(given, key), RequestJson.Default.NewWatch, cancel),
            cancel
        );

        answer.EnsureSuccess();
        if (output.Json)
        {
            output.Raw(answer.Body);
            return 0;
        }

        var watch = answer.ReadAs(CliJson.Default.CreatedWatch);
        var found = watch.Found switch
        {
            0 => "",
            1 => "; 1 event of the last minutes matches",
            var many => $"; {many} events of the last minutes match",
        };
        if (watch.Ended)
            output.Line($"{watch.Session} watched {watch.Subject}{found}, and with that it has ended");
        else
            output.Line($"{watch.Session} watches {watch.Subject}{found}. To end it: wake unwatch {watch.Id}");
        return 0;
    }

    NewWatch WatchRequest(ParseResult given, string key)
    {
        var github = given.GetValue(pullRequest) is not null;
        string[] chosen =
        [
            .. given.GetValue(types) ?? [],
            .. given.GetValue(ci) || given.GetValue(ciLoop)
                ? github
                    ? PullRequestSubject.CiTypes
                    : [.. PullRequestSubject.CiTypes, .. OtherForgesCiTypes]
                : [],
            .. given.GetValue(deploy)
                ? github
                    ? DeploymentTypes
                    : [.. DeploymentTypes, "gitlab.deployment.completed"]
                : [],
        ];
        return new(
            key,
            given.GetValue(subject) ?? PullRequestSubject.Parse(given.GetValue(pullRequest)!)!,
            NullIfEmpty(chosen is [] && github ? PullRequestSubject.DefaultTypes : chosen),
            NullIfEmpty(given.GetValue(where) ?? []),
            NullIfEmpty(given.GetValue(until) ?? []),
            given.GetValue(once),
            given.GetValue(intent),
            given.GetValue(expires)
        )
        {
            Ci = given.GetValue(ciLoop) ? new() : null,
            Report = given.GetValue(report),
            ExpectBy = given.GetValue(expectBy),
            OnEnd = given.GetValue(onEnd),
            CloseAfterSeconds = (int?)given.GetValue(closeAfter)?.TotalSeconds,
        };

        static string[]? NullIfEmpty(string[] values) => values is [] ? null : values;
    }

    static readonly string[] OtherForgesCiTypes =
    [
        "gitlab.pipeline.*",
        "forgejo.workflow_run.completed",
        "gitea.workflow_run.completed",
        "forgejo.status.completed",
        "gitea.status.completed",
        "gitlab.merge_request.conflicted",
        "forgejo.pull_request.conflicted",
        "gitea.pull_request.conflicted",
    ];
    static readonly string[] DeploymentTypes = ["github.deployment.completed"];
}
