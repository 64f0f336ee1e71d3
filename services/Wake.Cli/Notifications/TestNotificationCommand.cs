using System.CommandLine;
using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary><c>wake notify test</c>: sends a test to a target and says whether it arrived.</summary>
sealed class TestNotificationCommand : ClientCommand
{
    // A slow target has a minute for an attempt at most.
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(75);
    static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(500);

    readonly Argument<string> target = new("TARGET") { Description = "Its name; wake notifications lists them." };

    public TestNotificationCommand()
        : base(
            "test",
            "Sends a test to a target and waits for the first attempt.",
            """
            Filters, quiet hours and digests of the target do not hold for it. Exit code 1: it has not arrived.

            Example:
              wake notify test phone
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
        var added = (await wake.Post($"{path}/test", cancel)).EnsureSuccess();
        var id = added.ReadAs(CliJson.Default.Notification).Id;
        var (answer, notification) = await Output.Progress(
            "Sending",
            async _ =>
            {
                for (var since = TimeProvider.System.GetTimestamp(); ; await Task.Delay(PollInterval, cancel))
                {
                    var seen = (await wake.Get($"{path}/{id}", cancel)).EnsureSuccess();
                    var notification = seen.ReadAs(CliJson.Default.Notification);
                    if (
                        notification is not { Outcome: NotificationOutcome.Waiting, Error: null }
                        || TimeProvider.System.GetElapsedTime(since) > Patience
                    )
                        return (seen, notification);
                }
            }
        );

        if (output.Json)
            output.Raw(answer.Body);
        else if (notification.Outcome is NotificationOutcome.Delivered)
            output.Line($"Delivered.");
        else
            Output.Note(
                notification.Error is { } error
                    ? $"Not delivered: {error}"
                    : "Not sent yet: no notifier that runs has this target in its settings, or it waits."
            );
        return notification.Outcome is NotificationOutcome.Delivered ? 0 : 1;
    }
}
