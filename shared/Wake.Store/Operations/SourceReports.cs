using Npgsql;

namespace Wake.Store;

/// <summary>How the producers are, as they say it: their webhooks, schedules and accounts. Nothing is decided by
/// it.</summary>
public sealed class SourceReports(NpgsqlDataSource database)
{
    /// <summary>The most refused deliveries that are kept of a hook.</summary>
    public const int MaxRejections = 100;

    /// <summary>Notes deliveries, the oldest first.</summary>
    public async Task NoteDeliveries(IReadOnlyList<DeliveryReport> deliveries, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        foreach (var hook in deliveries.GroupBy(x => x.Hook))
        {
            batch.Add(
                """
                insert into webhook_reports as known (hook, at, outcome, genuine_at) values ($1, $2, $3, $4)
                on conflict (hook) do update
                    set at = greatest(known.at, excluded.at), outcome = excluded.outcome,
                        genuine_at = coalesce(excluded.genuine_at, known.genuine_at)
                """,
                hook.Key,
                hook.Last().At.ToUniversalTime(),
                hook.Last().Outcome,
                hook.LastOrDefault(x => x.Status is null)?.At.ToUniversalTime()
            );
            foreach (var refused in hook.Where(x => x.Status is not null).TakeLast(MaxRejections))
            {
                batch.Add(
                    """
                    insert into webhook_rejections (hook, at, status, reason, address) values ($1, $2, $3, $4, $5)
                    """,
                    hook.Key,
                    refused.At.ToUniversalTime(),
                    refused.Status,
                    refused.Reason ?? "",
                    refused.Address
                );
            }

            batch.Add(
                """
                delete from webhook_rejections
                where hook = $1
                  and seq <= (select seq from webhook_rejections where hook = $1 order by seq desc offset $2 limit 1)
                """,
                hook.Key,
                MaxRejections
            );
        }

        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Notes where a schedule stands. What is null stays as it was, but for the next time.</summary>
    public async Task NoteSchedule(
        string name,
        DateTimeOffset? next,
        DateTimeOffset? fired,
        DateTimeOffset? missed,
        CancellationToken cancel
    )
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            """
            insert into schedule_reports as known (name, next_at, fired_at, missed_at) values ($1, $2, $3, $4)
            on conflict (name) do update
                set at = clock_timestamp(), next_at = excluded.next_at,
                    fired_at = coalesce(excluded.fired_at, known.fired_at),
                    missed_at = coalesce(excluded.missed_at, known.missed_at)
            """,
            name,
            next?.ToUniversalTime(),
            fired?.ToUniversalTime(),
            missed?.ToUniversalTime()
        );
        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Notes how an account is. A gap of null stays what it was.</summary>
    public async Task NoteAccount(AccountReport account, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            """
            insert into account_reports as known (account, host, request_limit, remaining, reset_at, paused_until, gap_at, gap)
            values ($1, $2, $3, $4, $5, $6, case when $7::int is not null then clock_timestamp() end, $7)
            on conflict (account) do update
                set at = clock_timestamp(), host = excluded.host,
                    request_limit = coalesce(excluded.request_limit, known.request_limit),
                    remaining = coalesce(excluded.remaining, known.remaining),
                    reset_at = coalesce(excluded.reset_at, known.reset_at), paused_until = excluded.paused_until,
                    gap_at = coalesce(excluded.gap_at, known.gap_at), gap = coalesce(excluded.gap, known.gap)
            """,
            account.Account,
            account.Host,
            account.Limit,
            account.Remaining,
            account.ResetAt?.ToUniversalTime(),
            account.PausedUntil?.ToUniversalTime(),
            account.Gap
        );
        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>The hooks by name, each with its latest refused deliveries.</summary>
    public async Task<IReadOnlyList<WebhookReport>> ListWebhooks(int rejections, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            select w.hook, w.at, w.outcome, w.genuine_at, r.at, r.status, r.reason, r.address
            from (select * from webhook_reports order by hook limit 200) w
            left join lateral (select * from webhook_rejections where hook = w.hook order by seq desc limit $1) r on true
            order by w.hook, r.seq desc
            """
        );
        command.Parameters.AddWithValue(rejections);
        var rows = await command.ReadAll(
            row =>
                (
                    Hook: new WebhookReport(
                        row.GetString(0),
                        row.GetFieldValue<DateTimeOffset>(1),
                        row.GetString(2),
                        row.GetNullable<DateTimeOffset>(3),
                        []
                    ),
                    Refused: row.GetNullable<DateTimeOffset>(4) is { } at
                        ? new DeliveryReport(row.GetString(0), at, "refused")
                        {
                            Status = row.GetInt32(5),
                            Reason = row.GetText(6),
                            Address = row.GetText(7),
                        }
                        : null
                ),
            cancel
        );
        return
        [
            .. rows.GroupBy(x => x.Hook.Hook)
                .Select(x =>
                    x.First().Hook with
                    {
                        Rejections = [.. x.Select(y => y.Refused).OfType<DeliveryReport>()],
                    }
                ),
        ];
    }

    /// <summary>The schedules, by name.</summary>
    public async Task<IReadOnlyList<ScheduleReport>> ListSchedules(CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            "select name, next_at, fired_at, missed_at from schedule_reports order by name limit 1000"
        );
        return await command.ReadAll(
            row => new ScheduleReport(
                row.GetString(0),
                row.GetNullable<DateTimeOffset>(1),
                row.GetNullable<DateTimeOffset>(2),
                row.GetNullable<DateTimeOffset>(3)
            ),
            cancel
        );
    }

    /// <summary>The accounts, by name.</summary>
    public async Task<IReadOnlyList<AccountReport>> ListAccounts(CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            select account, host, request_limit, remaining, reset_at,
                   case when paused_until > clock_timestamp() then paused_until end, gap, gap_at, at
            from account_reports order by account limit 200
            """
        );
        return await command.ReadAll(
            row => new AccountReport(row.GetString(0), row.GetString(1))
            {
                Limit = row.GetNullable<long>(2),
                Remaining = row.GetNullable<long>(3),
                ResetAt = row.GetNullable<DateTimeOffset>(4),
                PausedUntil = row.GetNullable<DateTimeOffset>(5),
                Gap = row.GetNullable<int>(6),
                GapAt = row.GetNullable<DateTimeOffset>(7),
                At = row.GetNullable<DateTimeOffset>(8),
            },
            cancel
        );
    }
}

/// <summary>A webhook delivery.</summary>
/// <param name="Hook">The hook it came in by.</param>
/// <param name="At">When.</param>
/// <param name="Outcome">What became of it: accepted, ignored or refused.</param>
public sealed record DeliveryReport(string Hook, DateTimeOffset At, string Outcome)
{
    /// <summary>The HTTP status of one that was refused; null of any other.</summary>
    public int? Status { get; init; }

    /// <summary>Why it was refused.</summary>
    public string? Reason { get; init; }

    /// <summary>The address it came from.</summary>
    public string? Address { get; init; }
}

/// <summary>A hook.</summary>
/// <param name="Hook">Its name.</param>
/// <param name="LastAt">When the last delivery came.</param>
/// <param name="LastOutcome">What became of it.</param>
/// <param name="GenuineAt">When the last came that was not refused; null for none.</param>
/// <param name="Rejections">The latest that were refused, the latest first.</param>
public sealed record WebhookReport(
    string Hook,
    DateTimeOffset LastAt,
    string LastOutcome,
    DateTimeOffset? GenuineAt,
    IReadOnlyList<DeliveryReport> Rejections
);

/// <summary>A schedule.</summary>
/// <param name="Name">Its name.</param>
/// <param name="NextAt">When it is due next; null for never.</param>
/// <param name="FiredAt">Its last time that was published.</param>
/// <param name="MissedAt">Its last time that was missed by more than a minute.</param>
public sealed record ScheduleReport(
    string Name,
    DateTimeOffset? NextAt,
    DateTimeOffset? FiredAt,
    DateTimeOffset? MissedAt
);

/// <summary>An account at a forge.</summary>
/// <param name="Account">Its name in the settings.</param>
/// <param name="Host">The forge.</param>
public sealed record AccountReport(string Account, string Host)
{
    /// <summary>The requests of an hour; null where it has none, or has not said.</summary>
    public long? Limit { get; init; }

    /// <summary>Those not yet made.</summary>
    public long? Remaining { get; init; }

    /// <summary>When a new hour begins.</summary>
    public DateTimeOffset? ResetAt { get; init; }

    /// <summary>Until when the forge has asked for no requests; null when it has not.</summary>
    public DateTimeOffset? PausedUntil { get; init; }

    /// <summary>How many webhook deliveries were asked for again, the last time there were any.</summary>
    public int? Gap { get; init; }

    /// <summary>When that was.</summary>
    public DateTimeOffset? GapAt { get; init; }

    /// <summary>When it last said how it is.</summary>
    public DateTimeOffset? At { get; init; }
}
