using System.Data;
using System.Text.Json;
using Npgsql;
using Wake.Contracts;

namespace Wake.Store;

/// <summary>
/// Tells sessions of what they expected and what did not come: a watch whose deadline passes without an event that
/// wakes its session becomes an event itself.
/// </summary>
public sealed class WatchDeadlines(NpgsqlDataSource database, Intake intake)
{
    /// <summary>How long ahead a deadline may be. Events are kept for longer than that.</summary>
    public static readonly TimeSpan Maximum = TimeSpan.FromDays(28);

    /// <summary>The type of the event.</summary>
    public const string SilentType = "wake.watch.silent";

    // Of the subject of that event, before the id of the watch.
    internal const string SubjectPrefix = "watch:";

    const int BatchSize = 100;

    // Of what came instead. More of it is counted together.
    const int MaxKinds = 5;

    static readonly string Statement = EventMatch.Expand(Sql.ReadResource("Deadlines.sql"));

    /// <summary>
    /// Decides about the deadlines that have passed, and takes an event in for each without one that came. Any number
    /// of coordinators may do so at once: decided in one transaction, and an event that is made again after a crash has
    /// the same key.
    /// </summary>
    /// <param name="grace">How long after its deadline a watch is decided about.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <returns>How many events there were, and whether more may be due.</returns>
    public async Task<(int Told, bool More)> ReportSilent(TimeSpan grace, CancellationToken cancel)
    {
        await using var decide = database.CreateCommand(Statement);
        decide.Parameters.AddWithValue("grace", grace);
        decide.Parameters.AddWithValue("size", BatchSize);
        decide.Parameters.AddWithValue("silent", SilentType);
        var more = (int)(await decide.ExecuteScalarAsync(cancel))! == BatchSize;

        // Also those that another coordinator decided about before it died.
        await using var find = database.CreateCommand(
            $"""
            select w.id, s.key, w.subject, w.types, w.intent, w.created_at, w.expect_by, instead.counts
            from (select * from watches where expect_due_at <= now() and expect_outcome = 'silent'
                  order by expect_due_at limit {BatchSize}) w
            join sessions s on s.id = w.session_id and s.closed_at is null
            cross join lateral (
                select array_agg(format('%s × %s', kinds.count, kinds.type)) as counts
                from (select e.type, count(*) as count
                      from (select events_before(w.created_at) as low, (select max(seq) from events) as high) span
                      cross join lateral generate_series(span.low >> 15, span.high >> 15) part
                      cross join lateral (select e.seq, e.type from events e
                                          where (e.seq >> 15) = part and e.subject = w.subject and e.accepted_at >= w.created_at offset 0) e
                      where w.pattern is null and e.seq >= span.low
                      group by e.type order by count(*) desc, e.type limit {MaxKinds}) kinds
            ) instead
            """
        );
        var silent = await find.ReadAll(Read, cancel);
        if (silent is [])
            return (0, more);

        await intake.Accept(
            silent.ConvertAll(Event).ConvertAll(x => new Observation(x, DedupScope: x.DedupScope)),
            cancel
        );

        // Locked in the order in which the intake locks them: another coordinator may be telling of the same ones.
        await using var done = database.CreateCommand(
            """
            update watches set expect_due_at = null
            where id = any (array(select id from watches where id = any ($1) and expect_due_at is not null order by id for update))
            """
        );
        done.Parameters.AddWithValue(silent.Select(x => x.Id).ToArray());
        await done.ExecuteNonQueryAsync(cancel);
        return (silent.Count, more || silent.Count == BatchSize);
    }

    static SilentWatch Read(NpgsqlDataReader row) =>
        new(
            row.GetGuid("id"),
            row.GetString("key"),
            row.GetString("subject"),
            row.GetTexts("types"),
            row.GetText("intent"),
            row.GetFieldValue<DateTimeOffset>("created_at"),
            row.GetFieldValue<DateTimeOffset>("expect_by"),
            row.GetTexts("counts")
        );

    static ExternalEventObserved Event(SilentWatch watch) =>
        new()
        {
            Id = $"{watch.Id}",
            Source = "wake:watch",
            Type = SilentType,
            VerifiedBy = WakeRequested.VerifiedByWake,
            // Not what is watched: whoever else watches that waits for what happens there.
            Subject = $"{SubjectPrefix}{watch.Id}",
            DedupKey = $"{SilentType}|{SubjectPrefix}{watch.Id}",
            Reason = StorableText.Head(Words(watch), EventLimits.MaxReasonLength),
            Sessions = [watch.Session],
            Time = watch.ExpectBy,
            Data = JsonSerializer.SerializeToElement(
                new
                {
                    watch = watch.Id,
                    subject = watch.Subject,
                    types = watch.Types,
                    intent = watch.Intent,
                    since = watch.Created,
                    expectBy = watch.ExpectBy,
                    instead = watch.Instead,
                }
            ),
        };

    static string Words(SilentWatch watch) =>
        $"Nothing came of {watch.Subject} by {watch.ExpectBy.UtcDateTime:u} that the watch since "
        + $"{watch.Created.UtcDateTime:u} waits for "
        + $"({(watch.Types is { } types ? string.Join(", ", types) : "any event that wakes")})."
        // What came of a pattern is not counted.
        + (
            watch.Subject.Contains('*')
                ? ""
                : $" What did come: {(watch.Instead is { } instead ? string.Join(", ", instead) : "nothing")}."
        )
        + (watch.Intent is { } intent ? $" The note of the watch: {intent}" : "");

    sealed record SilentWatch(
        Guid Id,
        string Session,
        string Subject,
        IReadOnlyList<string>? Types,
        string? Intent,
        DateTimeOffset Created,
        DateTimeOffset ExpectBy,
        IReadOnlyList<string>? Instead
    );
}
