using System.CommandLine;

namespace Wake.Cli;

/// <summary><c>wake notify redrive</c>: sends again what was given up.</summary>
sealed class RedriveNotificationsCommand : ClientCommand
{
    readonly Argument<string> target = new("TARGET") { Description = "Its name; wake notifications lists them." };

    public RedriveNotificationsCommand()
        : base(
            "redrive",
            "Sends again what was given up, and goes on with a target that has stopped.",
            """
            Each notification has the id that it had before, by which a receiver knows it again.

            Example:
              wake notify redrive phone
            """
        ) => Accepts(target);

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var path = NotificationsCommand.ApiPath(given.GetRequiredValue(target));
        var answer = (await wake.Post($"{path}/redrive", cancel)).EnsureSuccess();
        if (output.Json)
            output.Raw(answer.Body);
        else
            output.Line($"Sent again: {answer.ReadAs(CliJson.Default.RedrivenNotifications).Redriven}");
        return 0;
    }
}
