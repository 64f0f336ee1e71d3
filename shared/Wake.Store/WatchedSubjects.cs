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
            select w.subject, w.types
            from watches w join sessions s on s.id = w.session_id
            where starts_with(w.subject, $1) and s.closed_at is null and (w.expires_at is null or w.expires_at > clock_timestamp())
            union
            select subject, types from routes where ended_at is null and starts_with(subject, $1)
            """);
        command.Parameters.AddWithValue(prefix);
        return await command.ReadAll(row => new WatchedSubject(row.GetString(0), row.GetTexts(1)), cancel);
    }
}

/// <summary>What is waited for.</summary>
/// <param name="Subject">The subject; with a <c>*</c> in it a pattern.</param>
/// <param name="Types">The event types, with <c>*</c> for anything; null: all.</param>
public sealed record WatchedSubject(string Subject, IReadOnlyList<string>? Types)
{
    /// <summary>Whether events of this type are among them.</summary>
    public bool Wants(string type) => Types is null || Types.Any(x => FileSystemName.MatchesSimpleExpression(x, type, ignoreCase: false));
}
