using Wake.Store;

namespace Wake.Prompting;

/// <summary>The identity of the message by which a session is told of a wake.</summary>
public static class TurnMessage
{
    /// <summary>
    /// The id of a wake's message: the same for every attempt, so that a wake delivered again after a crash is taken
    /// once. Its random part keeps it from coming again with the number of the wake, after a restored backup. Only
    /// after an attempt that the CLI answered it is another: it would take the same one for done (at once after an
    /// interrupt, after the second failure of the API; 2.1.329).
    /// </summary>
    public static Guid IdOf(ClaimedTurn turn) =>
        Uuid5.Create(
            turn.SessionId,
            string.Concat(
                $"wake {turn.WakeNumber}",
                turn.MessageSalt is { } salt ? $" {salt}" : "",
                turn.LastAcknowledgedAttempt == 0 ? "" : $" after attempt {turn.LastAcknowledgedAttempt}"
            )
        );
}
