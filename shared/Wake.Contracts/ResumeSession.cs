namespace Wake.Contracts;

/// <summary>
/// Run one turn of a session. Published only by the coordinator, obeyed by one runner; at most one wake is open per
/// session. It carries no events: the claim binds whatever the inbox holds at that moment.
/// </summary>
/// <param name="SessionId">The session to wake.</param>
/// <param name="SessionKey">Its owner's name for it; for people and logs.</param>
/// <param name="WakeNumber">
/// Counts a session's wakes from 1. (SessionId, WakeNumber) names the turn, so delivering this command again asks for
/// the same turn rather than another one.
/// </param>
/// <param name="Urgent">A person waits for it: it may have a slot that is kept for such wakes.</param>
sealed record ResumeSession(Guid SessionId, string SessionKey, int WakeNumber, bool Urgent = false);
