using System.Data;
using System.Text.Json;
using Npgsql;

namespace Wake.Store;

/// <summary>
/// Facts that people are told of, on their way to where they are told. Triggers state the facts
/// (0021_notifications.sql); notifiers say which targets a fact is for and send it.
/// </summary>
/// <remarks>
/// To each target what one session is about goes in order, one message at a time. A message is sent under a lease and
/// has the same id in every attempt: at least once. No target waits for another, and no session for another.
/// </remarks>
public sealed class NotificationOutbox(NpgsqlDataSource database)
{
    /// <summary>How many facts go in one message at most.</summary>
    public const int MaxFactsPerMessage = 50;

    // As many as are kept locked for a moment.
    const int RoutedAtOnce = 200;

    // Facts are routed by one notifier at a time: of two, the later facts of a session could come first.
    const string Lock = "5427041";

    // The queue of a target that has all its facts in order.
    static readonly Guid WholeTarget = Guid.Empty;

    const string SelectNotifications = """
        select f.id, f.type, f.at, f.data->>'session' as session, f.wake_number, n.attempts, n.due_at, n.error,
               coalesce(n.outcome, 'waiting') as outcome, n.settled_at
        from notifications n
        join notification_facts f on f.seq = n.fact
        """;

    // A question is read with it up to this size, in bytes. What is longer is looked at where it is.
    const int MaxQuestion = 64 * 1024;

    /// <summary>Notes which targets there are. One that is new gets what is stated from now on.</summary>
    public async Task RegisterTargets(IReadOnlyCollection<NotificationRule> rules, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            """
            insert into notification_targets as known (name, kind)
            select name, kind from unnest($1::text[], $2::text[]) as given (name, kind) order by name
            on conflict (name) do update set kind = excluded.kind, seen_at = clock_timestamp(),
                -- One that comes back after it was taken out of the settings is new.
                since = case when known.seen_at < clock_timestamp() - interval '3 days' then clock_timestamp() else known.since end
            """,
            rules.Select(x => x.Target).ToArray(),
            rules.Select(x => x.Kind).ToArray()
        );
        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Says of facts that are new which targets they are for. False: there are none, or another
    /// does.</summary>
    /// <param name="rules">The targets.</param>
    /// <param name="plan">When a fact of a type and time is to be sent to a target, by the database's clock, and
    /// whether it is urgent.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task<bool> RouteFacts(
        IReadOnlyCollection<NotificationRule> rules,
        Func<NotificationRule, string, DateTimeOffset, (DateTimeOffset Due, bool Urgent)> plan,
        CancellationToken cancel
    )
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        // Mostly there is none, which takes neither a transaction nor the lock to see.
        await using (
            var anyNew = new NpgsqlCommand(
                "select exists (select from notification_facts where not routed)",
                connection
            )
        )
        {
            if (await anyNew.ExecuteScalarAsync(cancel) is false)
                return false;
        }

        await using var transaction = await connection.BeginTransactionAsync(cancel);
        await using (
            var alone = new NpgsqlCommand($"select pg_try_advisory_xact_lock({Lock})", connection, transaction)
        )
        {
            if (await alone.ExecuteScalarAsync(cancel) is false)
                return false;
        }

        List<(long Seq, Guid Id, Guid? Session, string Type, DateTimeOffset At, string[] Targets)> facts;
        await using (var find = new NpgsqlBatch(connection, transaction))
        {
            find.Add(
                """
                select f.seq, f.id, f.session_id, f.type, f.at, array(
                    select rule.target
                    from (select target, nullif(types, '') as types, nullif(sessions, '') as sessions,
                                 nullif(profile, '') as profile, nullif(terms, '') as terms
                          from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
                              as given (target, types, sessions, profile, terms)) rule
                    join notification_targets t on t.name = rule.target
                    where f.at >= t.since and t.stopped is null
                      and (rule.types is null or f.type like any (rule.types::text[]))
                      and (rule.sessions is null or f.data->>'session' like rule.sessions)
                      and (rule.profile is null or f.data->>'profile' = rule.profile)
                      and (rule.terms is null
                           or satisfies(rule.terms::text[], f.type, 'session:' || (f.data->>'session'), 'wake', null, f.data::text))
                ) as targets
                from notification_facts f
                where not f.routed
                order by f.seq
                limit $6
                """,
                rules.Select(x => x.Target).ToArray(),
                rules.Select(x => Sql.ArrayLiteral(Sql.LikePatterns(x.Types)) ?? "").ToArray(),
                rules.Select(x => Sql.LikePattern(x.Session ?? "")).ToArray(),
                rules.Select(x => x.Profile ?? "").ToArray(),
                rules.Select(x => Sql.ArrayLiteral(EventCondition.ToSqlTerms(x.Conditions)) ?? "").ToArray(),
                RoutedAtOnce
            );
            await using var rows = await find.ExecuteReaderAsync(cancel);
            facts = await rows.ReadAll(
                row =>
                    (
                        row.GetInt64("seq"),
                        row.GetGuid("id"),
                        row.GetNullable<Guid>("session_id"),
                        row.GetString("type"),
                        row.GetFieldValue<DateTimeOffset>("at"),
                        row.GetFieldValue<string[]>("targets")
                    ),
                cancel
            );
        }

        if (facts is [])
            return false;

        var byName = rules.ToDictionary(x => x.Target);
        var routed = facts
            .SelectMany(fact => fact.Targets.Select(name => (Fact: fact, Rule: byName[name])))
            .Select(x => (x.Fact, x.Rule, Plan: plan(x.Rule, x.Fact.Type, x.Fact.At)))
            .ToList();
        await using var write = new NpgsqlBatch(connection, transaction);
        write.Add(
            """
            insert into notifications (target, fact, queue, urgent, due_at)
            select * from unnest($1::text[], $2::bigint[], $3::uuid[], $4::boolean[], $5::timestamptz[])
            on conflict do nothing
            """,
            routed.Select(x => x.Rule.Target).ToArray(),
            routed.Select(x => x.Fact.Seq).ToArray(),
            routed.Select(x => x.Rule.Digest ? WholeTarget : x.Fact.Session ?? x.Fact.Id).ToArray(),
            routed.Select(x => x.Plan.Urgent).ToArray(),
            routed.Select(x => x.Plan.Due.UtcDateTime).ToArray()
        );
        write.Add(
            "update notification_facts set routed = true where seq = any ($1)",
            (object)facts.Select(x => x.Seq).ToArray()
        );
        await write.ExecuteNonQueryAsync(cancel);
        await transaction.CommitAsync(cancel);
        return true;
    }

    /// <summary>
    /// Takes messages that are due to a target, of each session the first, and keeps them from other notifiers for a
    /// while. Of a target with a digest all that has been collected is one message.
    /// </summary>
    public async Task<IReadOnlyList<ClaimedNotification>> Claim(
        string target,
        int limit,
        TimeSpan lease,
        CancellationToken cancel
    )
    {
        if (!await HasDue(target, cancel))
            return [];

        await using var batch = database.CreateBatch();
        // The row of the target is the lock of its messages: of a session only one is on its way.
        batch.Add("select 1 from notification_targets where name = $1 for update", target);
        batch.Add(
            $"""
            with recursive queues as (
                (select n.queue from notifications n
                 where n.target = $1 and n.outcome is null
                   and exists (select from notification_targets
                               where name = $1 and stopped is null and (not_before is null or not_before <= clock_timestamp()))
                 order by n.queue limit 1)
                union all
                select (select n.queue from notifications n
                        where n.target = $1 and n.outcome is null and n.queue > q.queue order by n.queue limit 1)
                from queues q
                where q.queue is not null
            ), heads as materialized (
                select head.*
                from queues q
                cross join lateral (
                    -- What quiet hours hold back is passed by what they do not.
                    select n.* from notifications n
                    where n.target = $1 and n.queue = q.queue and n.outcome is null and (n.attempts > 0 or n.due_at <= clock_timestamp())
                    order by n.fact limit 1
                ) head
                where head.due_at <= clock_timestamp() and (head.lease_until is null or head.lease_until <= clock_timestamp())
                order by head.urgent desc, head.fact
                limit $2
            ), taken as materialized (
                select part.fact, coalesce(h.message_id, first.id) as message_id
                from heads h
                join notification_facts first on first.seq = h.fact
                cross join lateral (
                    select n.fact from notifications n
                    where n.target = $1 and n.queue = h.queue and n.outcome is null
                      and case when h.message_id is not null then n.message_id = h.message_id
                               when h.queue = '{WholeTarget}' then n.message_id is null
                               else n.fact = h.fact end
                    order by n.fact limit {MaxFactsPerMessage}
                ) part
            ), claimed as (
                update notifications n
                set attempts = n.attempts + 1, lease_until = clock_timestamp() + $3, message_id = t.message_id
                from taken t
                where n.target = $1 and n.fact = t.fact
                returning n.fact, n.message_id, n.attempts, n.urgent
            )
            select c.message_id, c.attempts, c.urgent, f.id, f.type, f.at, f.data::text as data, q.tool,
                   case when octet_length(q.input::text) <= {MaxQuestion} then q.input::text end as input
            from claimed c
            join notification_facts f on f.seq = c.fact
            left join questions q on q.id = f.question_id and f.type = 'question.asked'
            order by c.fact
            """,
            target,
            limit,
            lease
        );

        await using var rows = await batch.ExecuteReaderAsync(cancel);
        await rows.NextResultAsync(cancel);
        var facts = await rows.ReadAll(
            row =>
                (
                    Message: row.GetGuid("message_id"),
                    Attempt: row.GetInt32("attempts"),
                    Urgent: row.GetBoolean("urgent"),
                    Fact: new StatedFact(
                        row.GetGuid("id"),
                        row.GetString("type"),
                        row.GetFieldValue<DateTimeOffset>("at"),
                        JsonElement.Parse(row.GetString("data")),
                        row.GetText("tool"),
                        row.GetText("input")
                    )
                ),
            cancel
        );
        return
        [
            .. facts
                .GroupBy(x => (x.Message, x.Attempt))
                .Select(x => new ClaimedNotification(
                    target,
                    x.Key.Message,
                    x.Key.Attempt,
                    x.Any(y => y.Urgent),
                    [.. x.Select(y => y.Fact)]
                )),
        ];
    }

    /// <summary>
    /// Notes that a message has arrived. What has failed since the one before arrived is due at once: the target is
    /// back.
    /// </summary>
    public async Task SetDelivered(ClaimedNotification message, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add("select 1 from notification_targets where name = $1 for update", message.Target);
        batch.Add(
            """
            update notifications n set due_at = clock_timestamp()
            from notification_targets t
            where t.name = $1 and n.target = $1 and n.outcome is null and n.lease_until is null and n.message_id <> $2
              -- Once: what fails while others arrive is at fault itself.
              and n.failed_since > coalesce(t.last_delivered_at, '-infinity')
              and (t.not_before is null or t.not_before <= clock_timestamp())
            """,
            message.Target,
            message.Id
        );
        batch.Add(
            // It may have asked for a pause while this was on its way.
            """
            update notification_targets
            set last_delivered_at = clock_timestamp(), not_before = case when not_before > clock_timestamp() then not_before end
            where name = $1
            """,
            message.Target
        );
        batch.Add(
            """
            update notifications set outcome = 'delivered', settled_at = clock_timestamp(), lease_until = null, error = null
            where target = $1 and message_id = $2 and attempts = $3 and outcome is null
            """,
            message.Target,
            message.Id,
            message.Attempt
        );
        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Notes that an attempt has failed.</summary>
    /// <param name="message">The message.</param>
    /// <param name="error">Why, for people.</param>
    /// <param name="retryAfter">When to try again; null: never, it lies aside as a dead letter.</param>
    /// <param name="pause">How long the target asks to be left alone; null when it does not.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task SetFailed(
        ClaimedNotification message,
        string error,
        TimeSpan? retryAfter,
        TimeSpan? pause,
        CancellationToken cancel
    )
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            """
            update notification_targets
            set last_error = $2, last_error_at = clock_timestamp(), not_before = coalesce(clock_timestamp() + $3, not_before)
            where name = $1
            """,
            message.Target,
            error,
            pause
        );
        batch.Add(
            """
            update notifications
            set error = $4, lease_until = null, failed_since = coalesce(failed_since, clock_timestamp()),
                due_at = coalesce(clock_timestamp() + $5, due_at),
                outcome = case when $5::interval is null then 'dead' end,
                settled_at = case when $5::interval is null then clock_timestamp() end
            where target = $1 and message_id = $2 and attempts = $3 and outcome is null
            """,
            message.Target,
            message.Id,
            message.Attempt,
            error,
            retryAfter
        );
        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Notes that a target is gone: nothing is sent to it any more, and what was on its way lies
    /// aside.</summary>
    public async Task StopTarget(string target, string error, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            """
            update notification_targets set stopped = $2, last_error = $2, last_error_at = clock_timestamp() where name = $1
            """,
            target,
            error
        );
        batch.Add(
            """
            update notifications set outcome = 'dead', settled_at = clock_timestamp(), lease_until = null, error = $2
            where target = $1 and outcome is null
            """,
            target,
            error
        );
        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Sends the dead letters of a target again, and goes on with one that has stopped. Null: there is no such
    /// target.</summary>
    public async Task<int?> Redrive(string target, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add("update notification_targets set stopped = null, not_before = null where name = $1", target);
        batch.Add(
            """
            update notifications
            set outcome = null, settled_at = null, attempts = 0, due_at = clock_timestamp(), failed_since = null
            where target = $1 and outcome = 'dead'
            """,
            target
        );
        await batch.ExecuteNonQueryAsync(cancel);
        return batch.BatchCommands[0].RecordsAffected == 0 ? null : (int)batch.BatchCommands[1].RecordsAffected;
    }

    /// <summary>States a fact for one target alone, by which people see whether it arrives. The same again under one id
    /// is the same fact. False: there is no such target, or it has stopped.</summary>
    public async Task<bool> AddTest(string target, Guid id, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            """
            with stated as (
                insert into notification_facts (id, type, data, routed)
                select $2, 'test', '{"note": "wake notify test has sent this."}', true
                from notification_targets where name = $1 and stopped is null
                on conflict (id) do nothing
                returning seq, id
            )
            insert into notifications (target, fact, queue, urgent, due_at)
            select $1, seq, id, true, clock_timestamp() from stated
            """,
            target,
            id
        );
        batch.Add(
            """
            select 1 from notifications n join notification_facts f on f.seq = n.fact where n.target = $1 and f.id = $2
            """,
            target,
            id
        );
        await using var rows = await batch.ExecuteReaderAsync(cancel);
        return await rows.ReadAsync(cancel);
    }

    /// <summary>The targets, by name.</summary>
    public async Task<IReadOnlyList<NotificationTargetState>> ListTargets(CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            select t.*, t.seen_at > clock_timestamp() - interval '5 minutes' as served,
                   (select count(*) from notifications n where n.target = t.name and n.outcome is null)::int as waiting,
                   (select min(f.at) from notifications n join notification_facts f on f.seq = n.fact
                    where n.target = t.name and n.outcome is null) as waiting_since,
                   (select count(*) from notifications n where n.target = t.name and n.outcome = 'dead')::int as dead,
                   exists (select from notifications n
                           where n.target = t.name and n.outcome is null and n.failed_since is not null) as failing
            from notification_targets t
            order by t.name
            """
        );
        return await command.ReadAll(
            row => new NotificationTargetState(
                row.GetString("name"),
                row.GetString("kind"),
                row.GetText("stopped") is not null ? NotificationState.Stopped
                    : !row.GetBoolean("served") ? NotificationState.Unserved
                    : row.GetBoolean("failing") ? NotificationState.Failing
                    : NotificationState.Active,
                row.GetInt32("waiting"),
                row.GetNullable<DateTimeOffset>("waiting_since"),
                row.GetInt32("dead"),
                row.GetNullable<DateTimeOffset>("last_delivered_at"),
                row.GetText("last_error"),
                row.GetNullable<DateTimeOffset>("last_error_at")
            ),
            cancel
        );
    }

    /// <summary>What has not arrived at a target, the oldest first.</summary>
    public async Task<IReadOnlyList<Notification>> ListUndelivered(string target, int limit, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            $"""
            {SelectNotifications}
            where n.target = $1 and n.outcome is distinct from 'delivered'
            order by n.fact
            limit $2
            """
        );
        command.Parameters.AddWithValue(target);
        command.Parameters.AddWithValue(limit);
        return await command.ReadAll(ReadNotification, cancel);
    }

    /// <summary>One notification, arrived or not; null when there is none of this id to the target.</summary>
    public async Task<Notification?> Find(string target, Guid id, CancellationToken cancel)
    {
        await using var command = database.CreateCommand($"{SelectNotifications} where n.target = $1 and f.id = $2");
        command.Parameters.AddWithValue(target);
        command.Parameters.AddWithValue(id);
        return await command.ReadFirst(ReadNotification, cancel);
    }

    // A notifier asks each second, and the lock of a claim is a write. What is found here may still stand behind
    // another of its session: the claim knows.
    async Task<bool> HasDue(string target, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            select exists (
                select from notifications n
                join notification_targets t on t.name = n.target
                where n.target = $1 and n.outcome is null and n.due_at <= clock_timestamp()
                  and (n.lease_until is null or n.lease_until <= clock_timestamp())
                  and t.stopped is null and (t.not_before is null or t.not_before <= clock_timestamp()))
            """
        );
        command.Parameters.AddWithValue(target);
        return await command.ExecuteScalarAsync(cancel) is true;
    }

    static Notification ReadNotification(NpgsqlDataReader row) =>
        new(
            row.GetGuid("id"),
            row.GetString("type"),
            row.GetFieldValue<DateTimeOffset>("at"),
            row.GetText("session"),
            row.GetNullable<int>("wake_number"),
            row.GetEnum<NotificationOutcome>("outcome"),
            row.GetInt32("attempts"),
            row.GetFieldValue<DateTimeOffset>("due_at"),
            row.GetText("error"),
            row.GetNullable<DateTimeOffset>("settled_at")
        );
}
