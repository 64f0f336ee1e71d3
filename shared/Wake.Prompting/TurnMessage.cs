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
        IdOf(turn.SessionId, turn.WakeNumber, turn.MessageSalt, turn.LastAcknowledgedAttempt);

    /// <summary>The ids that the message of a turn may have in its transcript.</summary>
    public static IReadOnlySet<string> IdsOf(TurnInTranscript turn) =>
        Ids(turn.SessionId, turn.Number, turn.MessageSalt, turn.Answered);

    /// <summary>Those of the turn after it.</summary>
    public static IReadOnlySet<string> IdsOfNext(TurnInTranscript turn) =>
        turn.Next is { } next
            ? Ids(turn.SessionId, turn.Number + 1, next.MessageSalt, next.Answered)
            : new HashSet<string>();

    static HashSet<string> Ids(Guid sessionId, int wake, Guid? salt, int acknowledged) =>
        [.. Enumerable.Range(0, acknowledged + 1).Select(x => $"{IdOf(sessionId, wake, salt, x)}")];

    static Guid IdOf(Guid sessionId, int wake, Guid? salt, int acknowledged) =>
        Uuid5.Create(
            sessionId,
            string.Concat(
                $"wake {wake}",
                salt is null ? "" : $" {salt}",
                acknowledged == 0 ? "" : $" after attempt {acknowledged}"
            )
        );
}
