namespace Wake.Cli;

/// <summary><c>wake notify</c>: tries targets out, and sends again what did not arrive.</summary>
sealed class NotifyCommand : WakeCommand
{
    public NotifyCommand()
        : base(
            "notify",
            "Tries out where people are notified, and sends again what did not arrive.",
            """
            Examples:
              wake notify test phone
              wake notify redrive phone
            """
        )
    {
        Add(new TestNotificationCommand());
        Add(new RedriveNotificationsCommand());
    }
}
