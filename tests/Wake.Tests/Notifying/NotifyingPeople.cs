using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Npgsql;
using StandardWebhooks;
using Wake.Notifier;
using Wake.Store;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Notifying;

/// <summary>What is stated arrives: at least once, in order, whatever the target does meanwhile.</summary>
public sealed class NotifyingPeople(TestStore store) : IClassFixture<TestStore>
{
    const string OldSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    static readonly CancellationToken Cancel = CancellationToken.None;

    readonly NotificationOutbox outbox = new(store.Database);

    [Theory]
    [InlineData(
        LoopbackReceiver.Secret,
        "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
        1674087231,
        """{"type":"contact.created","timestamp":"2022-11-03T20:26:10.344522Z","data":{"id":"1f81eb52-5198-4599-803e-771906343485"}}""",
        "v1,bAo/ZbQILxvdozo/ynbX/OmAvBCBNauT8tvtBLFrDCI="
    )]
    [InlineData(
        OldSecret,
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        """{"test": 2432232314}""",
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )]
    public void A_webhook_is_signed_as_the_vectors_say(
        string secret,
        string id,
        long at,
        string body,
        string signature
    ) =>
        Assert.Equal(
            signature,
            WebhookSender.Sign([WebhookSender.ParseSecret(secret)!], id, at, System.Text.Encoding.UTF8.GetBytes(body))
        );

    [Theory]
    [InlineData("completed", "turn.completed")]
    [InlineData("failed", "turn.failed")]
    [InlineData("stale", null)]
    public async Task The_end_of_a_turn_is_told_but_not_of_one_that_had_nothing_left_to_tell(
        string outcome,
        string? type
    )
    {
        // Facts are stated only where there is a target.
        await using var receiver = await LoopbackReceiver.Start();
        await using var notifier = await Notifier($"of-{outcome}", receiver);
        var session = await store.Session($"ended {outcome}");

        await store.OpenTurn(session);
        await store.Execute("update turns set outcome = $2, ended_at = now() where session_id = $1", session, outcome);

        Assert.Equal(
            type ?? "nothing",
            await store.Scalar<string>(
                "select coalesce((select type from notification_facts where session_id = $1), 'nothing')",
                session
            )
        );
    }

    [Fact]
    public async Task A_webhook_is_verified_with_the_old_secret_and_with_the_new_one()
    {
        await using var receiver = await LoopbackReceiver.Start();
        await using var notifier = await Notifier("rotated", receiver, ("Secrets:1", OldSecret));
        var session = await store.Session("rotated");

        await State(session, "turn.completed", 1);
        var request = await Eventually.Sees(() => Task.FromResult(receiver.Requests is [var one, ..] ? one : null));

        // Each by itself: the package never looks at the last of several.
        var signatures = request.Headers["webhook-signature"].Split(' ');
        Assert.Equal(2, signatures.Length);
        foreach (var (secret, signature) in ((string[])[LoopbackReceiver.Secret, OldSecret]).Zip(signatures))
        {
            new StandardWebhook(secret).Verify(
                request.Body,
                new HeaderDictionary
                {
                    ["webhook-id"] = request.Id,
                    ["webhook-timestamp"] = request.Headers["webhook-timestamp"],
                    ["webhook-signature"] = signature,
                }
            );
        }

        var body = JsonElement.Parse(request.Body);
        Assert.Equal(request.Id, body.GetProperty("id").GetString());
        Assert.Equal("turn.completed", body.GetProperty("type").GetString());
        Assert.Equal("rotated", body.GetProperty("data").GetProperty("session").GetString());
        Assert.Equal(1, body.GetProperty("data").GetProperty("wake").GetInt32());
    }

    [Fact]
    public async Task A_target_that_was_away_for_a_day_gets_everything_in_order_and_nobody_waited_for_it()
    {
        await using var here = await LoopbackReceiver.Start();
        var away = await LoopbackReceiver.Start();
        var port = away.Url.Port;
        await using var notifier = await LoopbackNotifier.Start(
            store,
            new(Webhook("away", away, "day-*").Concat(Webhook("here", here, "day-*")))
        );
        await away.DisposeAsync();
        var (first, second) = (await store.Session("day-1"), await store.Session("day-2"));

        for (var wake = 1; wake <= 5; wake++)
        {
            await State(first, "turn.completed", wake);
            await State(second, "turn.completed", wake);
        }

        await Eventually.Holds(() => Task.FromResult(here.Requests.Count == 10), "the other has everything");

        // Tried at once, after 5 s, after 5 min, after half an hour and so on: each time it is in vain.
        for (var attempt = 1; attempt <= 7; attempt++)
        {
            await Eventually.Holds(
                async () => await Attempts("away") == attempt,
                $"both sessions' first message has failed {attempt} times"
            );
            if (attempt < 7)
                await Pass("away", TimeSpan.FromHours(12));
        }

        await using var back = await LoopbackReceiver.Start(port);
        // One message finds it back; the rest is not due for hours.
        await store.Execute(
            "update notifications set due_at = now() where target = 'away' and attempts > 0 and queue = $1",
            first
        );
        await Eventually.Holds(() => Task.FromResult(back.Requests.Count == 10), "it has everything");

        foreach (var session in (string[])["day-1", "day-2"])
            Assert.Equal([1, 2, 3, 4, 5], Wakes(back, session));
        Assert.Equal(here.Requests.Select(x => x.Id).Order(), back.Requests.Select(x => x.Id).Order());
        Assert.Equal(NotificationState.Active, await StateOf("away"));
    }

    [Fact]
    public async Task A_message_that_is_never_taken_lies_aside_and_can_be_sent_again()
    {
        await using var receiver = await LoopbackReceiver.Start();
        receiver.AnswerWith(500);
        await using var notifier = await Notifier("refusing", receiver);
        var session = await store.Session("refusing");
        await State(session, "turn.completed", 1);
        await State(session, "turn.completed", 2);

        for (var attempt = 1; attempt < 10; attempt++)
        {
            await Eventually.Holds(async () => await Attempts("refusing") == attempt, $"attempt {attempt}");
            if (attempt == 9)
                Assert.Single(receiver.Requests.Select(x => x.Id).Distinct());
            await Pass("refusing", TimeSpan.FromHours(30));
        }

        var dead = await Eventually.Sees(async () =>
            (await outbox.ListUndelivered("refusing", 10, Cancel)).FirstOrDefault(x =>
                x.Outcome is NotificationOutcome.Dead
            )
        );
        Assert.Equal((10, "HTTP 500", 1), (dead.Attempts, dead.Error, dead.Wake));
        await Eventually.Holds(() => Task.FromResult(receiver.Requests.Select(x => x.Id).Distinct().Count() == 2));

        receiver.Answer = null;
        var before = receiver.Requests.Count;
        Assert.Equal(1, await outbox.Redrive("refusing", Cancel));
        await Pass("refusing", TimeSpan.FromHours(30));
        await Eventually.Holds(async () => await outbox.ListUndelivered("refusing", 10, Cancel) is []);
        Assert.Contains(dead.Id.ToString(), receiver.Requests.Skip(before).Select(x => x.Id));
    }

    [Fact]
    public async Task Who_asks_for_time_is_left_alone_for_it()
    {
        await using var receiver = await LoopbackReceiver.Start();
        receiver.AnswerWith(429, "Retry-After", "7200");
        await using var notifier = await Notifier("busy", receiver, ("Session", "busy*"));
        await State(await store.Session("busy-1"), "turn.completed", 1);
        await Eventually.Holds(async () => await Attempts("busy") == 1);
        await State(await store.Session("busy-2"), "turn.completed", 1);

        Assert.Equal(
            TimeSpan.FromHours(2),
            await store.Scalar<TimeSpan>(
                "select date_trunc('hour', not_before - last_error_at + interval '1 minute') from notification_targets "
                    + "where name = 'busy'"
            )
        );
        await Eventually.Holds(async () => (await outbox.ListUndelivered("busy", 10, Cancel)).Count == 2);
        Assert.Single(receiver.Requests);

        receiver.Answer = null;
        await Pass("busy", TimeSpan.FromHours(3));
        await Eventually.Holds(async () => await outbox.ListUndelivered("busy", 10, Cancel) is []);
    }

    [Fact]
    public async Task What_is_refused_for_good_lies_aside_at_once_and_what_follows_arrives()
    {
        await using var receiver = await LoopbackReceiver.Start();
        receiver.AnswerWith(413);
        await using var notifier = await Notifier("choosy", receiver);
        var session = await store.Session("choosy");
        await State(session, "turn.completed", 1);
        await Eventually.Holds(async () =>
            await outbox.ListUndelivered("choosy", 10, Cancel)
                is [{ Outcome: NotificationOutcome.Dead, Attempts: 1, Error: "HTTP 413" }]
        );

        receiver.Answer = null;
        await State(session, "turn.completed", 2);

        await Eventually.Holds(() => Task.FromResult(receiver.Requests.Count == 2));
    }

    [Fact]
    public async Task What_states_facts_with_the_rights_of_the_owner_reads_no_tables_of_who_calls_it() =>
        Assert.Equal(
            "",
            await store.Scalar<string>(
                """
                select coalesce(string_agg(p.proname, ', '), '')
                from pg_proc p
                where p.pronamespace = current_schema()::regnamespace and p.prosecdef
                  and not exists (select from unnest(p.proconfig) c where c = format('search_path=%s, pg_temp', current_schema()))
                """
            )
        );

    [Fact]
    public async Task Who_is_gone_gets_nothing_more_until_somebody_says_so()
    {
        await using var receiver = await LoopbackReceiver.Start();
        receiver.AnswerWith(410);
        await using var notifier = await Notifier("gone", receiver);
        var session = await store.Session("gone");
        await State(session, "turn.completed", 1);
        await Eventually.Holds(async () => await StateOf("gone") is NotificationState.Stopped);

        Assert.False(await outbox.AddTest("gone", Guid.NewGuid(), Cancel));
        var dead = Assert.Single(await outbox.ListUndelivered("gone", 10, Cancel));
        Assert.Equal(("HTTP 410: it wants no more messages", NotificationOutcome.Dead), (dead.Error, dead.Outcome));

        receiver.Answer = null;
        await outbox.Redrive("gone", Cancel);
        await Eventually.Holds(async () => await outbox.ListUndelivered("gone", 10, Cancel) is []);
    }

    [Fact]
    public async Task A_connection_that_is_cut_in_an_answer_is_tried_again_under_the_same_id()
    {
        await using var receiver = await LoopbackReceiver.Start();
        receiver.Answer = context =>
        {
            context.Abort();
            return Task.CompletedTask;
        };
        await using var notifier = await Notifier("cut", receiver);
        await State(await store.Session("cut"), "turn.completed", 1);
        await Eventually.Holds(async () => await Attempts("cut") == 1);

        receiver.Answer = null;
        await Pass("cut", TimeSpan.FromMinutes(1));
        await Eventually.Holds(async () => await outbox.ListUndelivered("cut", 10, Cancel) is []);
        Assert.Equal(2, receiver.Requests.Count);
        Assert.Single(receiver.Requests.Select(x => x.Id).Distinct());
    }

    [Fact]
    public async Task A_redirect_leads_nowhere()
    {
        await using var elsewhere = await LoopbackReceiver.Start();
        await using var receiver = await LoopbackReceiver.Start();
        receiver.AnswerWith(307, "Location", elsewhere.Url.ToString());
        await using var notifier = await Notifier("moved", receiver);
        await State(await store.Session("moved"), "turn.completed", 1);

        await Eventually.Holds(async () =>
            (await outbox.ListUndelivered("moved", 1, Cancel)) is [{ Error: { } error }]
            && error.StartsWith("HTTP 307: redirects are not followed", StringComparison.Ordinal)
        );
        Assert.Empty(elsewhere.Requests);
    }

    [Fact]
    public async Task Two_notifiers_share_the_work_and_send_nothing_twice()
    {
        await using var receiver = await LoopbackReceiver.Start();
        await using var one = await Notifier("shared", receiver, ("Session", "shared-*"));
        await using var other = await Notifier("shared", receiver, ("Session", "shared-*"));
        var sessions = new List<Guid>();
        for (var i = 0; i < 5; i++)
            sessions.Add(await store.Session($"shared-{i}"));

        for (var wake = 1; wake <= 20; wake++)
        {
            foreach (var session in sessions)
                await State(session, "turn.completed", wake);
        }

        await Eventually.Holds(() => Task.FromResult(receiver.Requests.Count >= 100));
        await Eventually.Holds(async () => await outbox.ListUndelivered("shared", 10, Cancel) is []);

        Assert.Equal(100, receiver.Requests.Select(x => x.Id).Distinct().Count());
        Assert.Equal(100, receiver.Requests.Count);
        for (var i = 0; i < 5; i++)
            Assert.Equal(Enumerable.Range(1, 20), Wakes(receiver, $"shared-{i}"));
    }

    // Each notifier looks each second: it writes nothing, and waits for nobody, while there is nothing to take.
    [Fact]
    public async Task A_target_to_which_nothing_is_due_is_not_locked()
    {
        await store.Scalar<long>(
            """
            with target as (
                insert into notification_targets (name, kind) values ('idle', 'Webhook') returning name
            ), stated as (
                insert into notification_facts (type, data, routed) select 'test', '{}', true from generate_series(1, 3)
                returning seq
            ), facts as (
                select seq, row_number() over (order by seq) as number from stated
            ), sent as (
                insert into notifications (target, fact, queue, urgent, due_at, lease_until, outcome)
                select name, seq, gen_random_uuid(), false, now() + case when number = 1 then interval '1 hour' else '0' end,
                       case when number = 2 then now() + interval '1 hour' end, case when number = 3 then 'delivered' end
                from target cross join facts
                returning 1
            )
            select count(*) from sent
            """
        );
        await using var connection = await store.Database.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using var hold = new NpgsqlCommand(
            "select 1 from notification_targets where name = 'idle' for update",
            connection,
            transaction
        );
        await hold.ExecuteNonQueryAsync();

        Assert.Empty(await outbox.Claim("idle", limit: 8, TimeSpan.FromMinutes(1), Cancel));
    }

    [Fact]
    public async Task What_was_stated_before_a_target_was_there_is_not_for_it()
    {
        await using var receiver = await LoopbackReceiver.Start();
        var session = await store.Session("past");
        await using (await Notifier("earlier", receiver, ("Session", "past")))
        {
            await State(session, "turn.completed", 1);
            await Eventually.Holds(() => Task.FromResult(receiver.Requests.Count == 1));
        }

        await using var later = await LoopbackReceiver.Start();
        await using var notifier = await Notifier("later", later, ("Session", "past"));
        await State(session, "turn.completed", 2);

        await Eventually.Holds(() => Task.FromResult(later.Requests.Count > 0));
        Assert.Equal([2], Wakes(later, "past"));
    }

    [Fact]
    public async Task A_target_is_told_what_its_filters_let_through()
    {
        await using var receiver = await LoopbackReceiver.Start();
        await using var notifier = await Notifier(
            "filtered",
            receiver,
            ("Session", "filter-*"),
            ("Profile", "minute"),
            ("Types:0", "turn.*"),
            ("Conditions:0", "data.outcome != completed")
        );
        var (wanted, other) = (await store.Session("filter-1", "minute"), await store.Session("filter-2"));
        await State(wanted, "turn.completed", 1, """{"outcome": "completed"}""");
        await State(wanted, "question.asked", 2, """{"outcome": "refused"}""");
        await State(other, "turn.failed", 3, """{"outcome": "refused"}""");
        await State(wanted, "turn.failed", 4, """{"outcome": "refused"}""");

        await Eventually.Holds(() => Task.FromResult(receiver.Requests.Count > 0));
        Assert.Equal([4], Wakes(receiver, "filter-1"));
        Assert.Single(receiver.Requests);
    }

    [Fact]
    public async Task A_digest_is_one_message_which_something_urgent_ends()
    {
        await using var receiver = await LoopbackReceiver.Start();
        receiver.AnswerWith(503);
        await using var notifier = await Notifier(
            "digest",
            receiver,
            ("Session", "digest-*"),
            ("DigestWindow", "01:00:00")
        );
        var (first, second) = (await store.Session("digest-1"), await store.Session("digest-2"));
        await State(first, "turn.completed", 1);
        await State(second, "turn.completed", 1);
        await State(first, "question.asked", 2);
        await Eventually.Holds(() => Task.FromResult(receiver.Requests.Count == 1));
        await State(second, "turn.completed", 2);

        receiver.Answer = null;
        await Eventually.Holds(async () => await Attempts("digest") == 1);
        await Pass("digest", TimeSpan.FromMinutes(1));
        await Eventually.Holds(() => Task.FromResult(receiver.Requests.Count == 2));

        Assert.Equal(receiver.Requests[0].Body, receiver.Requests[1].Body);
        Assert.Equal(receiver.Requests[0].Id, receiver.Requests[1].Id);
        var digest = JsonElement.Parse(receiver.Requests[1].Body);
        Assert.Equal("digest", digest.GetProperty("type").GetString());
        Assert.Equal(
            ["digest-1 turn.completed", "digest-2 turn.completed", "digest-1 question.asked"],
            digest
                .GetProperty("data")
                .GetProperty("facts")
                .EnumerateArray()
                .Select(x => $"{x.GetProperty("data").GetProperty("session")} {x.GetProperty("type")}")
        );
        await Eventually.Holds(async () => (await outbox.ListUndelivered("digest", 10, Cancel)).Count == 1);
    }

    [Fact]
    public async Task Quiet_hours_hold_back_what_is_not_urgent()
    {
        await using var receiver = await LoopbackReceiver.Start();
        var now = DateTime.UtcNow;
        var quiet = string.Create(CultureInfo.InvariantCulture, $"{now.AddHours(-1):HH:mm}-{now.AddHours(2):HH:mm}");
        await using var notifier = await Notifier("night", receiver, ("QuietHours", quiet));
        var session = await store.Session("night");
        await State(session, "turn.completed", 1);
        await State(session, "question.asked", 2);
        await Eventually.Holds(() => Task.FromResult(receiver.Requests.Count == 1));
        Assert.Equal([2], Wakes(receiver, "night"));

        await Pass("night", TimeSpan.FromHours(3));
        await Eventually.Holds(() => Task.FromResult(receiver.Requests.Count == 2));
        Assert.Equal([2, 1], Wakes(receiver, "night"));
    }

    [Theory]
    [InlineData("22:00-07:00", "UTC", "2026-11-20T21:59:00Z", null)]
    [InlineData("22:00-07:00", "UTC", "2026-11-20T22:00:00Z", "2026-11-21T07:00:00Z")]
    [InlineData("22:00-07:00", "UTC", "2026-11-21T06:59:00Z", "2026-11-21T07:00:00Z")]
    [InlineData("22:00-07:00", "UTC", "2026-11-21T07:00:00Z", null)]
    [InlineData("12:00-13:00", "Europe/Berlin", "2026-11-20T11:30:00Z", "2026-11-20T12:00:00Z")]
    // 02:30 does not exist that night.
    [InlineData("22:00-02:30", "Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T01:00:00Z")]
    public void Quiet_hours_go_by_the_clock_of_their_zone(string span, string zone, string at, string? end) =>
        Assert.Equal(
            end is null ? null : DateTimeOffset.Parse(end, CultureInfo.InvariantCulture),
            QuietHours
                .Parse(span)!
                .EndAt(
                    DateTimeOffset.Parse(at, CultureInfo.InvariantCulture),
                    TimeZoneInfo.FindSystemTimeZoneById(zone)
                )
        );

    [Fact]
    public async Task That_nothing_came_of_what_a_watch_expected_is_told_once()
    {
        await using var receiver = await LoopbackReceiver.Start();
        await using var notifier = await Notifier("in-vain", receiver);
        await store.Session("in-vain");
        var (watch, _, _) = (
            await store.Watches.Create(
                "in-vain",
                new("deploy:done") { Types = ["deploy.*"], ExpectBy = DateTimeOffset.UtcNow.AddHours(1) },
                Cancel
            )
        )!.Value;
        await store.Execute("update watches set expect_due_at = now() where id = $1", watch.Id);
        var deadlines = new WatchDeadlines(store.Database, store.Intake);
        await deadlines.ReportSilent(TimeSpan.Zero, Cancel);
        await deadlines.ReportSilent(TimeSpan.Zero, Cancel);
        await store.Sessions.Close("in-vain", Cancel);

        await Eventually.Holds(() => Task.FromResult(receiver.Requests.Count == 2));
        var body = JsonElement.Parse(receiver.Requests[0].Body);
        Assert.Equal("silence", body.GetProperty("type").GetString());
        Assert.Equal("deploy:done", body.GetProperty("data").GetProperty("subject").GetString());
        Assert.Equal("in-vain", body.GetProperty("data").GetProperty("session").GetString());
        Assert.Contains("\"session.closed\"", receiver.Requests[1].Body);
    }

    [Fact]
    public async Task A_target_that_gives_up_is_told_to_the_others_once_and_that_it_is_back()
    {
        await using var down = await LoopbackReceiver.Start();
        await using var up = await LoopbackReceiver.Start();
        down.AnswerWith(400);
        var settings = new Dictionary<string, string?>(Webhook("given-up", down, "given-up"));
        foreach (var (name, value) in Webhook("others", up, "none"))
            settings[name] = value;
        settings.Remove("others:Session");
        settings["others:Types:0"] = "wake.degraded";
        settings["others:Conditions:0"] = "data.target = given-up";
        await using var notifier = await LoopbackNotifier.Start(store, settings);
        var session = await store.Session("given-up");
        for (var wake = 1; wake <= 3; wake++)
            await State(session, "turn.completed", wake);

        await Eventually.Holds(async () =>
            await store.Scalar<long>(
                "select count(*) from notifications where target = 'given-up' and outcome = 'dead'"
            ) == 3
        );
        await Eventually.Holds(() => Task.FromResult(up.Requests.Count == 1));
        down.AnswerWith(200);
        await outbox.Redrive("given-up", Cancel);

        await Eventually.Holds(() => Task.FromResult(up.Requests.Count == 2));
        await Eventually.Holds(async () => (await outbox.ListUndelivered("given-up", 10, Cancel)).Count == 0);
        Assert.Equal(
            ["False", "True"],
            up.Requests.Select(x => $"{JsonElement.Parse(x.Body).GetProperty("data").GetProperty("over")}")
        );
    }

    [Theory]
    [InlineData("session", "tripped")]
    [InlineData("all", null)]
    public async Task A_breaker_that_opens_is_told_and_again_when_its_trial_fails(string scope, string? name)
    {
        await using var receiver = await LoopbackReceiver.Start();
        var settings = Webhook($"breakers-{scope}", receiver, "*");
        settings.Remove($"breakers-{scope}:Session");
        settings[$"breakers-{scope}:Types:0"] = "breaker.opened";
        settings[$"breakers-{scope}:Conditions:0"] = $"data.scope = {scope}";
        await using var notifier = await LoopbackNotifier.Start(store, settings);
        if (name is not null)
            await store.Session(name);
        var id = Guid.NewGuid();

        await store.Execute(
            """
            insert into pauses (id, scope, name, interrupts, reason, breaker, amount, open_for, max_open_for, until)
            values ($1, $2, nullif($3, ''), false, 'too many turns', 'turnsPerHour', 5, interval '1 hour', interval '1 day', now())
            """,
            id,
            scope,
            name ?? ""
        );
        await store.Execute(
            "insert into pauses (id, scope, name, interrupts) values (gen_random_uuid(), 'profile', 'x', false)"
        );
        await store.Execute("update pauses set trips = trips + 1, until = now() + interval '1 h' where id = $1", id);
        await store.Execute("update pauses set ended_at = now(), by_hand = true where id = $1", id);

        await Eventually.Holds(() => Task.FromResult(receiver.Requests.Count == 2));
        Assert.Equal(
            [0, 1],
            receiver
                .Requests.Select(x => JsonElement.Parse(x.Body).GetProperty("data"))
                .Select(x => x.GetProperty("trips").GetInt32())
                .Order()
        );
        Assert.All(
            receiver.Requests,
            x => Assert.Equal(name is not null, x.Body.Contains("\"session\":", StringComparison.Ordinal))
        );
        Assert.Equal(
            0,
            await store.Scalar<long>(
                "select count(*) from notification_facts where type = 'breaker.opened' and data->>'scope' = 'profile'"
            )
        );
    }

    // What a turn, a question and a session come to is stated where it is written, and nowhere else.
    [Fact]
    public async Task What_is_undone_was_never_stated()
    {
        await using var receiver = await LoopbackReceiver.Start();
        await using var notifier = await Notifier("undone", receiver);
        var session = await store.Session("undone");

        await using (var connection = await store.Database.OpenConnectionAsync())
        await using (var transaction = await connection.BeginTransactionAsync())
        {
            await using var close = new NpgsqlCommand(
                "update sessions set closed_at = now() where key = 'undone'",
                connection,
                transaction
            );
            await close.ExecuteNonQueryAsync();
            await transaction.RollbackAsync();
        }

        await State(session, "turn.completed", 1);
        await store.Sessions.Close("undone", Cancel);

        await Eventually.Holds(() => Task.FromResult(receiver.Requests.Count == 2));
        Assert.Equal(
            ["turn.completed", "session.closed"],
            receiver.Requests.Select(x => JsonElement.Parse(x.Body).GetProperty("type").GetString())
        );
    }

    [Theory]
    [InlineData(null, null, "Kind is not set")]
    [InlineData("Webhook", null, "Url is needed")]
    [InlineData("Webhook", "Url=https://example.com", "Secrets needs at least one")]
    [InlineData("Webhook", "Url=https://example.com Secrets:0=short", "whsec_ and 24 to 64 bytes")]
    [InlineData("Webhook", "Url=https://me:secret@example.com", "must have no user")]
    [InlineData("Webhook", "Url=ftp://example.com", "Url must be an address")]
    [InlineData("Ntfy", "Url=https://ntfy.sh Topic=a/b", "Topic is needed")]
    [InlineData("Ntfy", "Url=https://ntfy.sh Topic=a Secrets:0=x", "Secrets is for Webhook, and Kind is Ntfy.")]
    [InlineData("Email", "Host=mail From=nobody To:0=me@example.com", "From must be an address")]
    [InlineData("Email", "Host=mail From=w@example.com", "To needs at least one")]
    [InlineData("Email", "Host=mail From=w@example.com To:0=m@example.com User=w", "User and Password go together")]
    [InlineData(
        "Email",
        "Host=mail From=w@example.com To:0=m@example.com User=w Password=p Security=None",
        "would send the password in clear"
    )]
    [InlineData("Command", "Command:0=notify-send", "full path")]
    [InlineData("Command", "Command:0=/bin/true Types:0=turn.done", "'turn.done' is no fact")]
    [InlineData("Command", "Command:0=/bin/true QuietHours=night", "no span such as 22:00-07:00")]
    [InlineData("Command", "Command:0=/bin/true TimeZone=Europe/Nowhere", "knows none called Europe/Nowhere")]
    [InlineData("Command", "Command:0=/bin/true DigestWindow=2.00:00:00", "at most a day")]
    [InlineData("Command", "Command:0=/bin/true Timeout=00:02:00", "between a second and a minute")]
    [InlineData("Command", "Command:0=/bin/true Conditions:0=outcome", "is no condition")]
    public void A_wrong_setting_is_refused_with_what_to_do(string? kind, string? settings, string problem) =>
        Assert.Contains(
            TargetSettings.Read(kind, settings ?? "").Problems(),
            x => x.Contains(problem, StringComparison.Ordinal)
        );

    Task<LoopbackNotifier> Notifier(string name, LoopbackReceiver receiver, params (string Name, string Value)[] more)
    {
        var settings = new Dictionary<string, string?>(Webhook(name, receiver, name));
        foreach (var (setting, value) in more)
            settings[$"{name}:{setting}"] = value;
        return LoopbackNotifier.Start(store, settings);
    }

    static Dictionary<string, string?> Webhook(string name, LoopbackReceiver receiver, string sessions) =>
        new Dictionary<string, string?>
        {
            [$"{name}:Kind"] = "Webhook",
            [$"{name}:Url"] = receiver.Url.ToString(),
            [$"{name}:Secrets:0"] = LoopbackReceiver.Secret,
            [$"{name}:Session"] = sessions,
        };

    Task State(Guid session, string type, int wake, string about = "{}") =>
        store.Execute("select state_fact($2, $1, $3, null, $4::json)", session, type, wake, about);

    // How often what is on its way was tried, and nobody is at it.
    Task<int> Attempts(string target) =>
        store.Scalar<int>(
            """
            select coalesce(min(attempts) filter (where lease_until is null), 0) from notifications
            where target = $1 and outcome is null and attempts > 0 and not exists (
                select from notifications n where n.target = $1 and n.outcome is null and n.lease_until is not null)
            """,
            target
        );

    // As if so much time had gone by.
    async Task Pass(string target, TimeSpan time) =>
        await store.Execute(
            """
            with passed as (update notifications set due_at = due_at - $2 where target = $1 and outcome is null)
            update notification_targets set not_before = not_before - $2 where name = $1
            """,
            target,
            time
        );

    async Task<NotificationState> StateOf(string target) =>
        (await outbox.ListTargets(Cancel)).Single(x => x.Name == target).State;

    static IEnumerable<int> Wakes(LoopbackReceiver receiver, string session) =>
        from request in receiver.Requests
        let data = JsonElement.Parse(request.Body).GetProperty("data")
        where data.GetProperty("session").GetString() == session
        select data.GetProperty("wake").GetInt32();
}
