using Npgsql;

namespace Wake.Store;

/// <summary>Forgetting facts that are long over.</summary>
public sealed class Retention(NpgsqlDataSource database)
{
    /// <summary>
    /// The shortest time facts are kept. GitHub delivers again for three days and a transcript is kept for thirty: within that
    /// time a repetition must be known as one.
    /// </summary>
    public static readonly TimeSpan Least = TimeSpan.FromDays(30);

    // A statement's worth: what comes in meanwhile does not wait for it.
    const int AtOnce = 5_000;

    /// <summary>
    /// Deletes the events accepted longer ago than a given time, with the record of who heard them and of their repetitions.
    /// What a session has still to hear stays, and so do all turns. A fact that is observed again afterwards is a new one.
    /// </summary>
    /// <returns>How many there were.</returns>
    public async Task<int> Forget(TimeSpan age, CancellationToken cancel)
    {
        for (var all = 0; ;)
        {
            await using var command = database.CreateCommand(
                """
                with old as (
                    select e.seq from events e
                    where e.accepted_at < clock_timestamp() - $1
                      and not exists (
                          select from inbox i
                          join sessions s on s.id = i.session_id
                          left join turns t on t.session_id = i.session_id and t.wake_number = i.wake_number
                          where i.event = e.seq and s.closed_at is null and t.ended_at is null)
                    order by e.seq
                    limit $2
                ), heard as (
                    delete from inbox where event in (select seq from old)
                ), repeated as (
                    delete from duplicates where event in (select seq from old)
                )
                delete from events where seq in (select seq from old)
                """);
            command.Parameters.AddWithValue(age);
            command.Parameters.AddWithValue(AtOnce);
            var deleted = await command.ExecuteNonQueryAsync(cancel);

            all += deleted;
            if (deleted < AtOnce)
                return all;
        }
    }
}
