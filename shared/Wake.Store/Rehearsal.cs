using System.Text.Json.Serialization;
using Npgsql;
using Wake.Contracts;

namespace Wake.Store;

/// <summary>What would become of an observation.</summary>
/// <param name="Id">The observation's id, as its producer named it.</param>
/// <param name="Outcome">What would be decided.</param>
/// <param name="Sessions">Who would be told, and why.</param>
/// <param name="UnknownSessions">Keys it names that no open session has.</param>
/// <param name="DuplicateOf">The id of the observation that brought the fact first; null unless it is a duplicate.</param>
public sealed record Rehearsal(
    string Id,
    IntakeOutcome Outcome,
    IReadOnlyList<RehearsedDelivery> Sessions,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? UnknownSessions,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? DuplicateOf)
{
    /// <summary>Reads what a transaction that is still open has routed.</summary>
    internal static async Task<IReadOnlyList<Rehearsal>> Read(
        NpgsqlConnection connection, IReadOnlyList<Observation> observations, IReadOnlyList<IntakeDecision> decisions, CancellationToken cancel)
    {
        // Its own rows bear the moment it began.
        await using var command = new NpgsqlCommand(
            """
            select e.dedup_key, s.key, i.wakes, s.created_at = now(), i.watch_id, r.name, i.intent, memory.opened,
                   case when memory.opened then coalesce(r.delta_prompt, r.full_prompt) else r.full_prompt end
            from inbox i
            join events e on e.seq = i.event
            join sessions s on s.id = i.session_id
            left join routes r on r.id = i.route_id
            cross join lateral (select exists (select from session_ids where session_id = s.id and opened) as opened) memory
            where e.dedup_key = any ($1) and e.accepted_at = now() and i.routed_at = now()
            order by s.key
            """, connection);
        command.Parameters.AddWithValue(observations.Select(x => x.Event.FactKey).ToArray());

        List<(string Fact, RehearsedDelivery Delivery)> deliveries = [];
        await using var rows = await command.ExecuteReaderAsync(cancel);
        while (await rows.ReadAsync(cancel))
        {
            deliveries.Add((rows.GetString(0), new(
                rows.GetString(1), rows.GetBoolean(2), rows.GetBoolean(3), rows.GetNullable<Guid>(4), rows.GetText(5), rows.GetText(6),
                rows.GetBoolean(7) ? PromptForm.Delta : PromptForm.Full, rows.GetText(8))));
        }

        var told = deliveries.ToLookup(x => x.Fact, x => x.Delivery);
        return
        [
            .. observations.Zip(decisions, (observed, decision) => new Rehearsal(
                decision.Id, decision.Outcome, decision.Outcome is IntakeOutcome.Routed ? [.. told[observed.Event.FactKey]] : [],
                decision.UnknownSessions, decision.DuplicateOf)),
        ];
    }
}

/// <summary>A session that would be told.</summary>
/// <param name="Session">Its key.</param>
/// <param name="Wakes">Whether it would be woken, rather than told with its next turn.</param>
/// <param name="Begins">Whether the session would only begin with this.</param>
/// <param name="Watch">The watch that matches; null when none does.</param>
/// <param name="Route">The route that matches; null when none does. Neither: the event names the session.</param>
/// <param name="Intent">The watch's note.</param>
/// <param name="Prompt">In which form it would be told.</param>
/// <param name="Words">What the route says to it; null when it says nothing.</param>
public sealed record RehearsedDelivery(
    string Session,
    bool Wakes,
    bool Begins,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] Guid? Watch,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Route,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Intent,
    PromptForm Prompt,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Words);

/// <summary>How much a session has to be told.</summary>
[JsonConverter(typeof(CamelCaseConverter<PromptForm>))]
public enum PromptForm
{
    /// <summary>Everything: it has no memory yet.</summary>
    Full,

    /// <summary>What is new: it remembers.</summary>
    Delta,
}
