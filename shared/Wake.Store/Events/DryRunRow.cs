using System.Data;
using Npgsql;
using Wake.Contracts;

namespace Wake.Store;

/// <summary>An event in the inbox of a session, in a transaction that will not be committed.</summary>
/// <param name="DedupKey">The event's fact.</param>
/// <param name="Session">The session's key.</param>
/// <param name="Begins">Whether the session would only begin with it.</param>
/// <param name="Watch">The watch that matches.</param>
/// <param name="Route">The route that matches.</param>
/// <param name="Form">How much the session has to be told.</param>
/// <param name="Event">The event as its turn would be told of it.</param>
/// <param name="Expired">Whether it would not be: it is too late for that.</param>
sealed record DryRunRow(
    string DedupKey,
    string Session,
    bool Begins,
    Guid? Watch,
    string? Route,
    PromptForm Form,
    TurnEvent Event,
    bool Expired
)
{
    /// <summary>The pauses that would hold it, in words; null when none would.</summary>
    public string? HeldBy { get; init; }

    /// <summary>Reads what a transaction that is still open has routed, in the order observed.</summary>
    /// <remarks>
    /// Only of these observations, although the turn takes the whole inbox: who may publish need not be allowed to read
    /// what others have published.
    /// </remarks>
    public static async Task<IReadOnlyList<DryRunRow>> Read(
        NpgsqlConnection connection,
        IReadOnlyList<Observation> observations,
        CancellationToken cancel
    )
    {
        // Not read back for every session it reaches: one event may reach thousands.
        var observed = observations
            .Select(x => (Key: x.Event.EffectiveDedupKey, x.Event, x.DedupScope))
            .Concat(observations.Select(x => (Key: x.ScopedKey, x.Event, x.DedupScope)))
            .DistinctBy(x => x.Key)
            .ToDictionary(
                x => x.Key,
                x =>
                    new TurnEvent(
                        x.Event.Id,
                        x.Event.Source,
                        x.Event.Type,
                        x.Event.Subject,
                        x.Event.Reason,
                        x.Event.Actor,
                        default,
                        Wakes: false,
                        Intent: null
                    )
                    {
                        IsWakeRequest = x.DedupScope == WakeRequested.VerifiedByWake,
                    }.WithDetails(EventDetails.Parse(x.Event.Data))
            );

        // Its own rows bear the moment it began.
        await using var command = new NpgsqlCommand(
            $"""
            select e.dedup_key, s.key as session, s.created_at = now() as begins, i.watch_id, r.name as route,
                   -- opened or not: from the wake after the one that began it, it is told what is new
                   exists (select from session_ids where session_id = s.id) as told_before,
                   coalesce(e.happened_at, e.accepted_at) as time, i.wakes, i.intent, r.full_prompt, r.delta_prompt,
                   e.expires_at is not null and e.expires_at <= now() as expired,
                   (select string_agg({Pauses.Note}, '; ' order by p.created_at) from event_pauses(e.seq) p) as held_by
            from inbox i
            join events e on e.seq = i.event
            join sessions s on s.id = i.session_id
            left join routes r on r.id = i.route_id
            where e.dedup_key = any ($1) and e.accepted_at = now() and i.routed_at = now()
            order by e.seq, s.key
            """,
            connection
        );
        command.Parameters.AddWithValue(observed.Keys.ToArray());

        return await command.ReadAll(
            row => new DryRunRow(
                row.GetString("dedup_key"),
                row.GetString("session"),
                row.GetBoolean("begins"),
                row.GetNullable<Guid>("watch_id"),
                row.GetText("route"),
                row.GetBoolean("told_before") ? PromptForm.Delta : PromptForm.Full,
                observed[row.GetString("dedup_key")] with
                {
                    Time = row.GetFieldValue<DateTimeOffset>("time"),
                    Wakes = row.GetBoolean("wakes"),
                    Intent = row.GetText("intent"),
                    FullPrompt = row.GetText("full_prompt"),
                    DeltaPrompt = row.GetText("delta_prompt"),
                },
                row.GetBoolean("expired")
            )
            {
                HeldBy = row.GetText("held_by"),
            },
            cancel
        );
    }

    public DryRunInboxEntry ToInboxEntry(string? text) =>
        new(
            Session,
            Event.Wakes,
            Begins,
            Watch,
            Route,
            Event.Intent,
            Form,
            (Form is PromptForm.Delta ? Event.DeltaPrompt : null) ?? Event.FullPrompt,
            text
        )
        {
            HeldBy = HeldBy,
        };
}
