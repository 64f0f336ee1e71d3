using Npgsql;

namespace Wake.ServiceDefaults;

/// <summary>What a failure of PostgreSQL means to whoever asked it: decided by its class of error, here and nowhere
/// else.</summary>
public static class PostgresErrors
{
    // Connection, a standby instead of the primary, idle for too long, a conflict with another transaction, no
    // resources, a lock, an operator, the system.
    static readonly string[] Unavailable = ["08", "25006", "25P", "40", "53", "55", "57", "58"];

    // Bad data, a constraint, larger or deeper than the server takes.
    static readonly string[] Refused = ["22", "23", "54"];

    /// <summary>Whether PostgreSQL is away, or busy: the same may succeed later.</summary>
    public static bool IsTransient(Exception failure) =>
        failure switch
        {
            PostgresException answer => IsOf(answer, Unavailable),
            _ => IsFailure(failure),
        };

    /// <summary>Whether PostgreSQL, or the way to it, failed: its refusals too.</summary>
    public static bool IsFailure(Exception failure) =>
        // Npgsql says "disposed" of a connection that breaks just as a command begins on it.
        failure is NpgsqlException or TimeoutException or ObjectDisposedException;

    /// <summary>Why PostgreSQL refuses what it was given, which no repetition changes; null when it failed for another
    /// reason.</summary>
    public static string? RejectionReason(Exception failure) =>
        failure is PostgresException answer && IsOf(answer, Refused)
            ? $"PostgreSQL refuses it: {answer.MessageText}"
            : null;

    static bool IsOf(PostgresException answer, string[] classes) =>
        classes.Any(x => answer.SqlState.StartsWith(x, StringComparison.Ordinal));
}
