using Npgsql;

namespace Wake.Store;

/// <summary>What is waited for, by whatever session: for producers that must ask for what happens instead of being told.</summary>
public sealed class WatchedSubjects(NpgsqlDataSource database)
{
    /// <summary>The subjects of watches and routes that begin like this; with a <c>*</c> in them they are patterns.</summary>
    public async Task<IReadOnlyList<string>> Beginning(string prefix, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            select w.subject
            from watches w join sessions s on s.id = w.session_id
            where starts_with(w.subject, $1) and s.closed_at is null and (w.expires_at is null or w.expires_at > clock_timestamp())
            union
            select subject from routes where ended_at is null and starts_with(subject, $1)
            """);
        command.Parameters.AddWithValue(prefix);
        await using var rows = await command.ExecuteReaderAsync(cancel);

        List<string> subjects = [];
        while (await rows.ReadAsync(cancel))
            subjects.Add(rows.GetString(0));
        return subjects;
    }
}
