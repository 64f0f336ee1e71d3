using System.CommandLine;

namespace Wake.Cli;

/// <summary><c>wake routes</c>: lists them; makes and ends one.</summary>
sealed class RoutesCommand : ClientCommand
{
    public RoutesCommand()
        : base(
            "routes",
            "Lists the routes: which events belong to which session, begun at first use.",
            """
            Those that stand in the configuration (the section Routes) are changed there.

            Examples:
              wake routes
              wake routes set assigned --type github.issue.assigned --session "implementer@{subject}" --workspace "/srv/wake/{session}"
            """
        )
    {
        Accepts();
        Add(new SetRouteCommand());
        Add(new RemoveRouteCommand());
    }

    /// <summary>The address of a route.</summary>
    public static string ApiPath(string name) => $"/v1/routes/{WakeClient.EscapeSegment(name)}";

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var answer = (await wake.Get("/v1/routes", cancel)).EnsureSuccess();
        output.List(
            answer,
            CliJson.Default.RouteArray,
            [
                "NAME",
                "SUBJECT",
                "TYPES",
                "WHERE",
                "SESSION",
                "PROFILE",
                "WORKSPACE",
                "CI LOOP",
                "ON END",
                "REPORT",
                "FROM",
            ],
            x =>
                [
                    x.Name,
                    x.Subject ?? "*",
                    string.Join(' ', x.Types ?? ["*"]),
                    string.Join(", ", x.Where ?? []),
                    x.Session,
                    x.Profile,
                    x.Workspace,
                    CiOptions.Format(x.Ci),
                    EndOptions.Format(x.OnEnd, x.CloseAfterSeconds),
                    ReportOption.Format(x.Report),
                    x.Configured ? "configuration" : "",
                ],
            "There are no routes."
        );
        return 0;
    }
}

/// <summary><c>wake routes remove</c>: ends one.</summary>
sealed class RemoveRouteCommand : ClientCommand
{
    readonly Argument<string> name = new("NAME") { Description = "The route's name; wake routes lists them." };

    public RemoveRouteCommand()
        : base(
            "remove",
            "Ends a route. The sessions it began stay.",
            """
            Example:
              wake routes remove assigned
            """
        ) => Accepts(name);

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var answer = (await wake.Delete(RoutesCommand.ApiPath(given.GetRequiredValue(name)), cancel)).EnsureSuccess();
        if (output.Json)
            output.Raw(answer.Body);
        else
            output.Line($"Ended: {given.GetRequiredValue(name)}");
        return 0;
    }
}
