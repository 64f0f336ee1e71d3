using Npgsql;

namespace Wake.Testing;

/// <summary>Fills a store with a long life: what rows look like after months, made by the thousand in statements of
/// SQL.</summary>
/// <param name="Sessions">Open sessions that have had a turn each, and as many that are closed.</param>
/// <param name="Events">Events of the past month, each told to a session; the newest a few seconds ago.</param>
/// <param name="Watches">Watches, most of them on GitHub, and half of them with a deadline to come.</param>
public sealed record LargeStore(int Sessions, int Events, int Watches)
{
    const int Step = 200_000;

    // 500 repositories; what the n-th watch is about, and the n-th event.
    const string SubjectOf = """
        create function pg_temp.subject_of(n int) returns text language sql immutable as $$
            select case when n % 10 = 9 then 'build:nightly/' || n
                        else 'github:octo-org/repo' || n % 500 || (array['#' || n, '@' || left(repeat(md5(n::text), 2), 40), ':refs/heads/b' || n])[n % 3 + 1] end
        $$
        """;

    /// <summary>The key of a session.</summary>
    public static string Key(int n) => $"sleeper@{n}";

    /// <summary>Fills one, and has it vacuumed, as autovacuum would.</summary>
    public async Task Fill(NpgsqlDataSource database, Action<string>? progress = null)
    {
        // Temporary tables and functions are those of a connection.
        await using var connection = await database.OpenConnectionAsync();

        progress?.Invoke($"{Sessions:#,0} sessions");
        await Execute(SubjectOf);
        await Execute(
            $"""
            create temp table sleepers as select n, gen_random_uuid() as id, gen_random_uuid() as claude from generate_series(1, {Sessions
                * 2}) n;
            create unique index on sleepers (n);
            insert into sessions (id, key, workspace, profile, created_at, closed_at)
            select id, 'sleeper@' || n, '/srv/wake/' || n, 'default', now() - interval '100 days', case when n > {Sessions} then now() - interval '1 day' end
            from sleepers;
            insert into wake_timers (session_id) select id from sleepers;
            insert into session_wakes (session_id, current_state, wake_number) select id, 3, 1 from sleepers;
            insert into turns (session_id, wake_number, attempt, runner, epoch, started_at, ended_at, outcome, settled, cost_usd)
            select id, 1, 1, 'gone', 1, now() - interval '40 days', now() - interval '40 days', 'completed', 1, 0.5 from sleepers;
            insert into spending select id, (now() - n % 500 * interval '1 day')::date, 0.5, 1, 1, 1, 1 from sleepers;
            insert into decisions (at, kind, session_id, wake_number)
            select now() - interval '40 days', kind, id, 1 from sleepers, unnest(array['dispatched', 'claimed', 'ended']) kind;
            insert into session_ids (session_id, position, claude_session_id, reason, opened, closed) select id, 1, claude, 'first', true, n > {Sessions} from sleepers;
            insert into transcripts (claude_session_id, session_id, version, wake_number, epoch, saved_at)
            select claude, id, 1, 1, 1, now() - interval '40 days' from sleepers;
            insert into transcript_files (claude_session_id, path, bytes, rows, sha256) select claude, '', 0, 0, '' from sleepers;
            insert into questions (id, session_id, wake_number, tool_use_id, tool, input, asked_at, answers, outcome, settled_at)
            select gen_random_uuid(), id, 1, 'toolu', 'Bash', '{"{}"}', now() - interval '40 days', '{"{}"}', 'answered', now() - interval '40 days' from sleepers;
            """
        );

        progress?.Invoke($"{Watches:#,0} watches");
        await Execute(
            $"""
            insert into watches (id, session_id, subject, created_at, expect_by, expect_due_at)
            select gen_random_uuid(), s.id, pg_temp.subject_of(g), now() - interval '40 days' + g * interval '1 ms', d.due, d.due
            from generate_series(1, {Watches}) g join sleepers s on s.n = g % {Sessions} + 1
            cross join lateral (select case when g % 2 = 0 then now() + interval '20 days' + g * interval '1 ms' end as due) d
            """
        );

        for (var done = 0; done < Events; done += Step)
        {
            progress?.Invoke($"{done:#,0} of {Events:#,0} events");
            await Execute(
                $"""
                with written as (
                    insert into events (seq, id, source, type, subject, related, dedup_key, reason, wakes, urgent, data, accepted_at)
                    select nextval('events_seq'), 'old-' || g, 'github', 'github.check.completed', pg_temp.subject_of(g % {Math.Max(
                    Watches,
                    1
                )}),
                           case when g % 2 = 0 then array['github:octo-org/repo' || g % 500 || '@' || md5(g::text)] end,
                           'old|' || g, 'an old check completed', true, false, '{"{\"text\":\"old\"}"}', now() - ({Events} - g) * (interval '30 days' / {Events})
                    from generate_series({done} + 1, {Math.Min(done + Step, Events)}) g
                    returning seq
                )
                insert into inbox (event, session_id, wakes, wake_number)
                select w.seq, s.id, true, 1 from written w join sleepers s on s.n = w.seq % {Sessions} + 1
                """
            );
            await Execute(
                $"""
                insert into duplicates (event, observation, source, at)
                select seq, 'again-' || seq, 'github', now() - interval '1 day' from events where seq > {done} and seq <= {Math.Min(
                    done + Step,
                    Events
                )}
                """
            );
        }

        progress?.Invoke("analysing");
        await Execute("vacuum (analyze)");
        await Execute("checkpoint");
        // What was read for it is counted before anything else is.
        await Execute("select pg_stat_force_next_flush()");

        async Task Execute(string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
            await command.ExecuteNonQueryAsync();
        }
    }
}
