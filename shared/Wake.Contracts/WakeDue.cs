namespace Wake.Contracts;

/// <summary>
/// Something about a session is due: its quiet window is over, its command was not claimed, its lease ran out, its turn
/// ended. Sent by the sweeper to the saga where sessions that are due cannot be decided about together; carries no
/// decision. The saga looks at the store and decides, so hearing it twice, late or for nothing does no harm. Two are
/// the same when they name the same session.
/// </summary>
/// <param name="SessionId">The session to look at.</param>
sealed record WakeDue(Guid SessionId);
