using System.CommandLine;

namespace Wake.Cli;

/// <summary><c>wake notifications</c>: lists the targets, or what has not arrived at one.</summary>
sealed class NotificationsCommand : ClientCommand
{
    readonly Argument<string?> target = new("TARGET")
    {
        Arity = ArgumentArity.ZeroOrOne,
        Description = "Show what is on its way to this target, and what was given up.",
    };

    public NotificationsCommand()
        : base(
            "notifications",
            "Lists where people are notified, and what has not arrived there.",
            """
            Examples:
              wake notifications
              wake notifications phone
            """
        ) => Accepts(target);

    /// <summary>The address of a target.</summary>
    public static string ApiPath(string target) =>
        $"/v1/notifications/{WakeClient.EscapeSegment(target.ToLowerInvariant())}";

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        if (given.GetValue(target) is { } one)
        {
            var waiting = (await wake.Get(ApiPath(one), cancel)).EnsureSuccess();
            output.List(
                waiting,
                CliJson.Default.NotificationArray,
                ["ID", "TYPE", "SESSION", "WAKE", "STATED", "OUTCOME", "ATTEMPTS", "DUE", "ERROR"],
                x =>
                    [
                        $"{x.Id}",
                        x.Type,
                        x.Session,
                        $"{x.Wake}",
                        TimeFormat.Format(x.At),
                        Output.EnumWord(x.Outcome),
                        $"{x.Attempts}",
                        x.Settled is null ? TimeFormat.Format(x.Due) : "",
                        x.Error,
                    ],
                "Everything has arrived."
            );
            return 0;
        }

        var answer = (await wake.Get("/v1/notifications", cancel)).EnsureSuccess();
        output.List(
            answer,
            CliJson.Default.NotificationTargetArray,
            ["TARGET", "KIND", "STATE", "WAITING", "SINCE", "DEAD", "LAST DELIVERED", "LAST ERROR"],
            x =>
                [
                    x.Name,
                    x.Kind,
                    Output.EnumWord(x.State),
                    $"{x.Waiting}",
                    x.WaitingSince is { } since ? TimeFormat.Format(since) : "",
                    $"{x.Dead}",
                    x.LastDelivered is { } last ? TimeFormat.Format(last) : "",
                    x.LastErrorAt is { } at ? $"{TimeFormat.Format(at)} {x.LastError}" : "",
                ],
            "Nobody is notified: the settings have no Notifications__NAME__Kind."
        );
        return 0;
    }
}
