using Npgsql;

namespace Wake.Store;

/// <summary>Deletes old events. One caller at a time: the coordinator's EventPruner.</summary>
public sealed class EventRetention(NpgsqlDataSource database)
{
    /// <summary>
    /// The shortest time facts are kept. GitHub delivers again for three days and a transcript is kept for thirty:
    /// within that time a repetition must be known as one.
    /// </summary>
    public static readonly TimeSpan Minimum = TimeSpan.FromDays(30);

    // A statement's worth: what comes in meanwhile does not wait for it.
    const int BatchSize = 5_000;

    // What is old and stays, because it is still waited for, is looked at again this often.
    static readonly TimeSpan RescanInterval = TimeSpan.FromDays(1);

    long from;
    DateTimeOffset begun;

    /// <summary>
    /// Deletes the events accepted longer ago than a given time, with the record of who heard them and of their
    /// repetitions, pauses that ended, attempts at CI that began, results that were reported and what people were told
    /// so long ago. What a session has still to hear stays, and so do all turns. A fact that is observed again
    /// afterwards is a new one. Goes on where it ended the last time: an event that stays is looked at once a day.
    /// </summary>
    /// <returns>How many there were.</returns>
    public async Task<int> DeleteOlderThan(TimeSpan age, CancellationToken cancel)
    {
        if (DateTimeOffset.UtcNow - begun >= RescanInterval)
            (from, begun) = (0, DateTimeOffset.UtcNow);

        await using (var others = database.CreateBatch())
        {
            others.Add("delete from pauses where ended_at < clock_timestamp() - $1", age);
            others.Add("delete from operator_actions where at < clock_timestamp() - $1", age);
            foreach (
                var report in (string[])["webhook_reports", "webhook_rejections", "schedule_reports", "account_reports"]
            )
                others.Add($"delete from {report} where at < clock_timestamp() - $1", age);
            others.Add("delete from ci_attempts where at < clock_timestamp() - $1", age);
            others.Add("delete from notification_targets where seen_at < clock_timestamp() - $1", age);
            others.Add("delete from notification_facts where at < clock_timestamp() - $1", age);
            others.Add("delete from report_turns where ended_at < clock_timestamp() - $1", age);
            // What stands on an open pull request is edited for as long as its session goes on.
            others.Add(
                """
                delete from reports r
                where exists (select from sessions s where s.id = r.session_id and s.closed_at < clock_timestamp() - $1)
                  and not exists (select from report_turns t where t.report = r.id)
                """,
                age
            );
            others.Add(
                """
                delete from chat_messages m
                where begun_at < clock_timestamp() - $1
                  -- One that may still be edited stays. Nobody edits what never arrived, or where nobody sends any more.
                  and (final or message_id is null or not exists (select from notification_targets t where t.name = m.target))
                """,
                age
            );
            others.Add("delete from chat_updates where at < clock_timestamp() - $1", age);
            await others.ExecuteNonQueryAsync(cancel);
        }

        for (var all = 0; ; )
        {
            await using var command = database.CreateCommand(
                """
                with page as materialized (
                    select e.seq, e.accepted_at < clock_timestamp() - $1 as old
                    from events e
                    where e.seq between $3 and (select events_before(clock_timestamp() - $1)) - 1
                    order by e.seq
                    limit $2
                ), over as materialized (
                    select p.seq from page p
                    where p.old and not exists (
                        select from inbox i
                        join sessions s on s.id = i.session_id
                        left join turns t on t.session_id = i.session_id and t.wake_number = i.wake_number
                        where i.event = p.seq and s.closed_at is null and t.ended_at is null
                        offset 0)
                ), heard as (
                    delete from inbox where event = any (array(select seq from over))
                ), checked as (
                    delete from fact_checks where event = any (array(select seq from over))
                ), repeated as (
                    delete from duplicates where event = any (array(select seq from over))
                ), collided as (
                    delete from collisions where event = any (array(select seq from over))
                ), forgotten as (
                    delete from events where seq = any (array(select seq from over)) returning 1
                )
                select (select max(seq) from page), (select count(*) from forgotten)::int
                """
            );
            command.Parameters.AddWithValue(age);
            command.Parameters.AddWithValue(BatchSize);
            command.Parameters.AddWithValue(from);
            await using var row = await command.ExecuteReaderAsync(cancel);
            await row.ReadAsync(cancel);

            all += row.GetInt32(1);
            if (row.GetNullable<long>(0) is not { } last)
                return all;
            from = last + 1;
        }
    }
}
