using System.CommandLine;
using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary><c>wake routes set</c>: makes a route, or makes it another.</summary>
sealed class SetRouteCommand : ClientCommand
{
    readonly Argument<string> name = new("NAME") { Description = "Your name for it." };
    readonly Option<string> session = new("--session")
    {
        HelpName = "KEY",
        Required = true,
        Description = "The session's key, in which {subject} stands for the subject that matched.",
    };
    readonly Option<string> workspace = new("--workspace")
    {
        HelpName = "DIR",
        Required = true,
        Description =
            "The directory of a session it begins, in which {session} stands for a name made from its key. "
            + "One that is missing is made from the Repository of the profile.",
    };
    readonly Option<string[]> types = Texts(
        "--type",
        "T",
        "An event type to match, with * for anything; may be repeated. Default: all."
    );
    readonly Option<string?> subject = Text(
        "--subject",
        "S",
        "The subjects to match, with * for anything. Default: all."
    );
    readonly Option<string[]> where = Texts(
        "--where",
        "CONDITION",
        "What else must hold, like 'data.state = changes_requested'; may be repeated."
    );
    readonly Option<string?> profile = Text(
        "--profile",
        "NAME",
        "The profile of a session it begins. Default: default."
    );
    readonly Option<string?> full = Text(
        "--full-prompt",
        "TEXT",
        "What a session that begins is told to do about such an event.",
        "--full"
    );
    readonly Option<string?> delta = Text(
        "--delta-prompt",
        "TEXT",
        "The same for a session that remembers. Default: that of --full-prompt.",
        "--delta"
    );
    readonly Option<EndPolicy?> onEnd = EndOptions.OnEnd(
        "What becomes of the session when its pull request or issue is merged or closed, or its branch deleted."
    );
    readonly Option<TimeSpan?> closeAfter = EndOptions.CloseAfter();

    readonly Option<bool> ci = CommonOptions.Flag(
        "--ci",
        "Run failed jobs of GitHub Actions again before a session is told, count its attempts to mend CI, and "
            + "park it when they are spent."
    );
    readonly Option<int?> attempts = Number(
        "--ci-attempts",
        "How often a session tries to mend one check. Default: 3."
    );
    readonly Option<int?> pullAttempts = Number(
        "--ci-pull-request-attempts",
        "How often it tries to mend CI of one pull request. Default: 6."
    );
    readonly Option<bool> noRerun = CommonOptions.Flag(
        "--ci-no-rerun",
        "Tell a failure at once, without running it again."
    );

    readonly Option<ReportPolicy?> report = ReportOption.Create(
        "Where the results of turns are reported that its events wake. Default: what the profile says."
    );

    public SetRouteCommand()
        : base(
            "set",
            "Makes a route, or makes the one of this name another.",
            """
            Says on standard error what may keep its sessions from working, as far as this machine can tell.

            Example:
              wake routes set assigned --type github.issue.assigned --session "implementer@{subject}" --workspace "/srv/wake/{session}" \
                --full-prompt "Implement what this issue asks for." --delta-prompt "See what has changed about your issue."
            """
        ) =>
        Accepts(
            name,
            session,
            workspace,
            types,
            subject,
            where,
            profile,
            full,
            delta,
            onEnd,
            closeAfter,
            ci,
            attempts,
            pullAttempts,
            noRerun,
            report
        );

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var directory = given.GetRequiredValue(workspace);
        var body = new RouteDefinition
        {
            Session = given.GetRequiredValue(session),
            Workspace = directory.Length == 0 ? directory : Path.GetFullPath(directory),
            Subject = given.GetValue(subject),
            Profile = given.GetValue(profile),
            FullPrompt = given.GetValue(full),
            DeltaPrompt = given.GetValue(delta),
            Ci = Policy(given),
            Report = given.GetValue(report),
            Types = given.GetValue(types) is { Length: > 0 } some ? some : null,
            OnEnd = given.GetValue(onEnd),
            CloseAfterSeconds = (int?)given.GetValue(closeAfter)?.TotalSeconds,
            Where = given.GetValue(where) is { Length: > 0 } conditions ? conditions : null,
        };

        var answer = (
            await wake.Put(
                RoutesCommand.ApiPath(given.GetRequiredValue(name)),
                body,
                RequestJson.Default.RouteDefinition,
                cancel
            )
        ).EnsureSuccess();
        foreach (var warning in answer.ReadAs(CliJson.Default.Route).Warnings ?? [])
            Output.Note(warning);
        if (output.Json)
            output.Raw(answer.Body);
        else
            output.Line($"Set: {given.GetRequiredValue(name)}");
        return 0;
    }

    CiPolicy? Policy(ParseResult given) =>
        (given.GetValue(attempts), given.GetValue(pullAttempts), given.GetValue(noRerun)) is var (each, all, told)
        && (given.GetValue(ci) || told || (each ?? all) is not null)
            ? new()
            {
                AttemptsPerCheck = each,
                AttemptsPerPullRequest = all,
                RerunFirst = told ? false : null,
            }
            : null;

    static Option<int?> Number(string name, string description) =>
        new(name) { HelpName = "N", Description = description };

    static Option<string?> Text(string name, string value, string description, params string[] aliases) =>
        new(name, aliases) { HelpName = value, Description = description };

    static Option<string[]> Texts(string name, string value, string description) =>
        new(name)
        {
            HelpName = value,
            Description = description,
            Arity = ArgumentArity.OneOrMore,
        };
}
