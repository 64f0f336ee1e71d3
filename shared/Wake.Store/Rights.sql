-- What each service may do in the database, where it comes with a role of its own: what its statements need and nothing else. Run by the
-- owner of the tables after the migrations, again and again. A role that is not there is passed over, and so is a table of a
-- service that has never been migrated. Rights are only added: the version before runs beside this one for a while.
do $$
declare
    given record;
begin
    for given in select * from (values
        -- Takes events in and decides who wakes.
        ('wake_coordinator', 'select', 'table migrations'),
        ('wake_coordinator', 'select, insert, update', 'table sessions'),
        ('wake_coordinator', 'select, update', 'table session_ids'),
        ('wake_coordinator', 'select, update, delete', 'table watches'),
        ('wake_coordinator', 'select, insert, update', 'table routes'),
        ('wake_coordinator', 'select, update, delete', 'table scheduled_wakes'),
        ('wake_coordinator', 'select, insert, update, delete', 'table events'),
        ('wake_coordinator', 'select, insert, update, delete', 'table inbox'),
        ('wake_coordinator', 'select, insert, update', 'table wake_timers'),
        ('wake_coordinator', 'select, insert, update', 'table turns'),
        ('wake_coordinator', 'select, update', 'table questions'),
        ('wake_coordinator', 'select, insert, delete', 'table duplicates'),
        ('wake_coordinator', 'select, insert, delete', 'table collisions'),
        ('wake_coordinator', 'select, insert', 'table decisions'),
        ('wake_coordinator', 'select', 'table terminals'),
        ('wake_coordinator', 'select, insert, update, delete', 'table pauses'),
        ('wake_coordinator', 'select, insert, delete', 'table breaker_limits'),
        ('wake_coordinator', 'select, insert, delete', 'table own_logins'),
        ('wake_coordinator', 'select, delete', 'table fact_checks'),
        ('wake_coordinator', 'select, delete', 'table ci_attempts'),
        ('wake_coordinator', 'select, delete', 'table notification_targets'),
        ('wake_coordinator', 'select, delete', 'table notification_facts'),
        ('wake_coordinator', 'select', 'table notifications'),
        ('wake_coordinator', 'select, delete', 'table chat_messages'),
        ('wake_coordinator', 'select, delete', 'table chat_updates'),
        ('wake_coordinator', 'select, delete', 'table reports'),
        ('wake_coordinator', 'select, delete', 'table report_turns'),
        ('wake_coordinator', 'select, insert, update, delete', 'table profile_pools'),
        ('wake_coordinator', 'select, insert, update, delete', 'table session_wakes'),
        ('wake_coordinator', 'usage', 'sequence events_seq'),

        -- The door: people register, watch, ask, answer and make keys through it, and open sessions take their turns. It saves
        -- transcripts, and shows what turns have written there.
        ('wake_gateway', 'select', 'table migrations'),
        ('wake_gateway', 'select, insert, update', 'table sessions'),
        ('wake_gateway', 'select, insert, update', 'table session_ids'),
        ('wake_gateway', 'select, insert, update, delete', 'table watches'),
        ('wake_gateway', 'select, insert, update', 'table routes'),
        ('wake_gateway', 'select, insert, update, delete', 'table scheduled_wakes'),
        ('wake_gateway', 'select, insert', 'table events'),
        ('wake_gateway', 'select, insert, update (wake_number)', 'table inbox'),
        ('wake_gateway', 'select, insert, update', 'table wake_timers'),
        ('wake_gateway', 'select, update (attempt, interruptions, acted, settled, insisted, answered, runner, epoch, started_at, lease_until, not_before, parked, note, ended_at, outcome, claude_session_id, cost_usd, duration_ms, input_tokens, output_tokens, cache_read_tokens, cache_creation_tokens, message_salt, run_token, in_terminal, held_until, held_by, said)', 'table turns'),
        ('wake_gateway', 'select, insert, update', 'table terminals'),
        ('wake_gateway', 'select, insert, update', 'table pauses'),
        ('wake_gateway', 'select', 'table fact_checkers'),
        ('wake_gateway', 'select, insert, update (answer, reason, answered_at)', 'table fact_checks'),
        ('wake_gateway', 'select, insert, update (reset_at)', 'table ci_attempts'),
        ('wake_gateway', 'select, update (stopped, not_before)', 'table notification_targets'),
        ('wake_gateway', 'select, insert', 'table notification_facts'),
        ('wake_gateway', 'select, insert, update (outcome, settled_at, attempts, due_at, failed_since)', 'table notifications'),
        ('wake_gateway', 'select', 'table chat_messages'),
        ('wake_gateway', 'select', 'table reports'),
        ('wake_gateway', 'select', 'table report_turns'),
        ('wake_gateway', 'select', 'table profile_pools'),
        ('wake_gateway', 'select', 'table runners'),
        ('wake_gateway', 'select', 'table breaker_limits'),
        ('wake_gateway', 'select', 'table own_logins'),
        ('wake_gateway', 'select, insert, update', 'table questions'),
        ('wake_gateway', 'select, insert, update', 'table spending'),
        ('wake_gateway', 'select', 'table session_totals'),
        ('wake_gateway', 'select, insert, update', 'table transcripts'),
        ('wake_gateway', 'select, insert, update', 'table transcript_files'),
        ('wake_gateway', 'select, insert', 'table transcript_segments'),
        ('wake_gateway', 'select, insert', 'table duplicates'),
        ('wake_gateway', 'select, insert', 'table collisions'),
        ('wake_gateway', 'select, insert', 'table decisions'),
        ('wake_gateway', 'select, insert, update, delete', 'table api_keys'),
        ('wake_gateway', 'select, insert, update, delete', 'table idempotency_keys'),
        ('wake_gateway', 'usage', 'sequence events_seq'),

        -- Runs turns, beside agents that read what strangers wrote: no keys, no events or watches of its own making, no session either.
        ('wake_runner', 'select', 'table migrations'),
        ('wake_runner', 'select, update (mcp_servers)', 'table sessions'),
        ('wake_runner', 'select, insert, update', 'table session_ids'),
        ('wake_runner', 'select', 'table terminals'),
        ('wake_runner', 'select', 'table pauses'),
        ('wake_runner', 'select', 'table fact_checkers'),
        ('wake_runner', 'select, insert, update (answer, reason, answered_at)', 'table fact_checks'),
        ('wake_runner', 'select, insert, update (reset_at)', 'table ci_attempts'),
        ('wake_runner', 'select', 'table profile_pools'),
        ('wake_runner', 'select, insert, update, delete', 'table runners'),
        ('wake_runner', 'select', 'table watches'),
        ('wake_runner', 'select', 'table routes'),
        ('wake_runner', 'select', 'table events'),
        ('wake_runner', 'select, update (wake_number)', 'table inbox'),
        ('wake_runner', 'select, update', 'table wake_timers'),
        ('wake_runner', 'select, update', 'table turns'),
        ('wake_runner', 'select, insert, update (begun_at, outcome, settled_at)', 'table questions'),
        ('wake_runner', 'select, insert, update', 'table spending'),
        ('wake_runner', 'select, insert, update, delete', 'table transcripts'),
        ('wake_runner', 'select, insert, update, delete', 'table transcript_files'),
        ('wake_runner', 'select, insert', 'table transcript_segments'),
        ('wake_runner', 'select, insert', 'table decisions'),
        ('wake_runner', 'usage', 'sequence lease_epochs'),

        -- Asks GitHub about what is watched, and keeps its place in a schema of its own. Reports results there.
        ('wake_github', 'select', 'table migrations'),
        ('wake_github', 'select (id, session_id, subject, types, created_at, expires_at, ci, expect_by)', 'table watches'),
        ('wake_github', 'select (subject, types, created_at, ended_at, ci, profile)', 'table routes'),
        ('wake_github', 'select (id, key, profile)', 'table sessions'),
        ('wake_github', 'select', 'table profile_pools'),
        ('wake_github', 'select, insert, update, delete', 'table fact_checkers'),
        ('wake_github', 'select, update (checker, answer, reason, answered_at)', 'table fact_checks'),
        ('wake_github', 'select, update', 'table reports'),
        ('wake_github', 'select, update (settled_at, refused)', 'table report_turns'),
        ('wake_github', 'insert', 'table decisions'),
        ('wake_github', 'usage', 'schema github'),
        ('wake_github', 'select, insert, update, delete', 'table github.cursors'),
        ('wake_github', 'select, insert, update, delete', 'table github.rings'),
        ('wake_github', 'select, insert, update, delete', 'table github.pauses'),
        ('wake_github', 'select, insert, update, delete', 'table github.hooks'),
        ('wake_github', 'select, insert, update, delete', 'table github.heads'),
        ('wake_github', 'select, insert, update, delete', 'table github.merge_states'),

        -- Tells people. What they say in a chat it does as the gateway would: it answers, tells sessions, pauses and
        -- closes them. It reads no transcripts and no keys, and makes no watches, routes or turns.
        ('wake_notifier', 'select', 'table migrations'),
        ('wake_notifier', 'select, insert, update', 'table notification_targets'),
        ('wake_notifier', 'select, update (routed)', 'table notification_facts'),
        ('wake_notifier', 'select, insert, update', 'table notifications'),
        ('wake_notifier', 'select, insert, update', 'table chat_messages'),
        ('wake_notifier', 'select, insert', 'table chat_updates'),
        ('wake_notifier', 'select, insert, update', 'table question_drafts'),
        ('wake_notifier', 'select, update (answers, outcome, settled_at, answered_by)', 'table questions'),
        ('wake_notifier', 'select, update (not_before, parked, note)', 'table turns'),
        ('wake_notifier', 'select, insert, update', 'table sessions'),
        ('wake_notifier', 'select, insert, update', 'table session_ids'),
        ('wake_notifier', 'select, update, delete', 'table watches'),
        ('wake_notifier', 'select', 'table routes'),
        ('wake_notifier', 'select, delete', 'table scheduled_wakes'),
        ('wake_notifier', 'select, insert', 'table events'),
        ('wake_notifier', 'select, insert', 'table inbox'),
        ('wake_notifier', 'select, insert, update', 'table wake_timers'),
        ('wake_notifier', 'select, insert, update', 'table pauses'),
        ('wake_notifier', 'select', 'table spending'),
        ('wake_notifier', 'select', 'table terminals'),
        ('wake_notifier', 'select', 'table profile_pools'),
        ('wake_notifier', 'select', 'table breaker_limits'),
        ('wake_notifier', 'select, insert', 'table duplicates'),
        ('wake_notifier', 'select, insert', 'table collisions'),
        ('wake_notifier', 'select, insert', 'table decisions'),
        ('wake_notifier', 'usage', 'sequence events_seq'),

        ('wake_cron', 'select', 'table migrations'),
        ('wake_cron', 'select, insert, update, delete', 'table cron_schedules')
    ) as rights (who, may, what)
    loop
        continue when not exists (select from pg_roles where rolname = given.who);
        continue when case split_part(given.what, ' ', 1)
            when 'schema' then to_regnamespace(split_part(given.what, ' ', 2)) is null
            else to_regclass(split_part(given.what, ' ', 2)) is null
        end;

        execute format('grant %s on %s to %I', given.may, given.what, given.who);
    end loop;
end
$$;
