using System.IO.Enumeration;
using Npgsql;

namespace Wake.Store;

/// <summary>What is waited for, by whatever session: for producers that must ask for what happens instead of being told.</summary>
public sealed class WatchedSubjects(NpgsqlDataSource database)
{
    /// <summary>The subjects of watches and routes that begin like this; with a <c>*</c> in them they are patterns.</summary>
    public async Task<IReadOnlyList<WatchedSubject>> Beginning(string prefix, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            select subject, types, min(created_at)
            from (
                select w.subject, w.types, w.created_at
                from watches w join sessions s on s.id = w.session_id
                where starts_with(w.subject, $1) and s.closed_at is null and (w.expires_at is null or w.expires_at > clock_timestamp())
                union all
                select subject, types, created_at from routes where ended_at is null and starts_with(subject, $1)
            ) waited
            group by subject, types
            """);
        command.Parameters.AddWithValue(prefix);
        return await command.ReadAll(row => new WatchedSubject(row.GetString(0), row.GetTexts(1), row.GetFieldValue<DateTimeOffset>(2)), cancel);
    }
}

/// <summary>What is waited for.</summary>
/// <param name="Subject">The subject; with a <c>*</c> in it a pattern.</param>
/// <param name="Types">The event types, with <c>*</c> for anything; null: all.</param>
/// <param name="Since">Since when.</param>
public sealed record WatchedSubject(string Subject, IReadOnlyList<string>? Types, DateTimeOffset Since)
{
    /// <summary>Whether events of this type are among them.</summary>
    public bool Wants(string type) => Types is null || Types.Any(x => FileSystemName.MatchesSimpleExpression(x, type, ignoreCase: false));
}
