using System.Diagnostics;
using System.IO.Compression;
using System.Text.Json;
using Npgsql;
using Wake.Prompting;
using Wake.ServiceDefaults;
using Wake.Store;
using Wake.Testing;
using static Wake.Benchmarks.BenchmarkResults;

namespace Wake.Benchmarks;

/// <summary>What each page of a console asks of a large store.</summary>
static class ConsolePages
{
    const int Sessions = 100_000,
        Events = 1_000_000,
        Watches = 50_000,
        Parked = 300,
        Page = 100,
        Times = 100;

    // Of an open session, whose transcript is as long as that of a month's work.
    const int TranscriptRows = 20_000;

    public static async Task Run(BenchmarkResults figures, int repetitions)
    {
        const string name =
            "console, p95 in ms, in a store of 1,000,000 events, 200,000 sessions (100,000 open) and 300,000 turns";
        var connection = await Servers.NewDatabase();
        await using var database = Postgres.CreateDataSource(connection);
        var sessions = new Store.Sessions(database);
        var watches = new Watches(database);
        var explain = new Explanations(database, sessions, watches);
        var (events, sources, questions, pauses) = (
            new EventList(database),
            new SourceList(database),
            new Questions(database),
            new Pauses(database)
        );
        var (transcripts, costs, runners, outbox) = (
            new TurnTranscripts(database),
            new Costs(database),
            new Runners(database),
            new NotificationOutbox(database)
        );
        var (breakers, routes) = (new Breakers(database), new Routes(database));

        Progress("console: filling the store");
        await new LargeStore(Sessions, Events, Watches).Fill(database, x => Progress($"console: {x}"));
        await Execute(
            database,
            $"""
            insert into turns (session_id, wake_number, attempt, runner, epoch, started_at, ended_at, outcome, settled, cost_usd)
            select id, 2, 1, 'gone', 1, now() - interval '1 day', now() - interval '1 day', 'completed', 1, 0.5
            from sessions where closed_at is null;
            update turns set parked = true, ended_at = null, outcome = null
            where wake_number = 2 and session_id in (select id from sessions where closed_at is null order by key limit {Parked});
            insert into questions (id, session_id, wake_number, tool_use_id, tool, input)
            select gen_random_uuid(), id, 2, 'toolu-open', 'Bash', '{"{}"}'
            from sessions where closed_at is null order by key limit {Parked / 3};
            insert into decisions (at, kind, session_id, note)
            select now() - n * interval '1 minute', 'closed', id, 'by hand'
            from (select id, row_number() over (order by key) n from sessions where closed_at is not null) s where n <= 50000
            """
        );
        await Execute(database, "vacuum analyze");
        var keys = await Column<string>(
            database,
            "select key from sessions where closed_at is null order by key desc limit 1000"
        );
        var ids = await Column<string>(database, "select id from events order by seq desc limit 1000");
        var subjects = await Column<string>(database, "select subject from events order by seq desc limit 1000");
        var told = (await sessions.Find(keys[0], default))!;
        await FillTranscript(database, told.ClaudeSessionId!.Value);
        var turn = (await transcripts.Find(told.Id, 2, default))!;
        await runners.Register("r", "default", 4, 1, 4, "1.0.0", default);

        for (var round = 1; round <= repetitions; round++)
        {
            Progress($"console: {round} of {repetitions}");
            await Measure("needs you: open questions", _ => questions.ListOpen(Page, default));
            await Measure("needs you: parked sessions", _ => List(new() { State = SessionState.Parked }));
            await Measure("needs you: breakers", _ => breakers.List(default));
            await Measure("needs you: notification targets", _ => outbox.ListTargets(default));
            await Measure("sessions: by key", i => List(new() { AfterKey = keys[i] }));
            await Measure("sessions: of a state", _ => List(new() { State = SessionState.WaitingForAnswer }));
            await Measure("sessions: of a subject", i => List(new() { Subject = subjects[i] }));
            await Measure("sessions: a text that many have", _ => List(new() { Text = "sleeper" }));
            await Measure("sessions: a text that none has", _ => List(new() { Text = "nothing like it" }));
            await Measure("sessions: the latest turn first", _ => List(By(SessionSort.LastTurn)));
            await Measure("sessions: the dearest first", _ => List(By(SessionSort.Cost)));
            await Measure("session: itself", i => sessions.Find(keys[i], default));
            await Measure("session: explained", i => explain.ExplainSession(keys[i], default));
            await Measure("session: its turns", _ => sessions.ListTurns(told.Id, Page, default));
            await Measure(
                "session: the transcript of its last turn",
                _ => transcripts.Read(turn, TurnMessage.IdsOf(turn), TurnMessage.IdsOfNext(turn), Page, null, default)
            );
            await Measure("events: the newest", _ => Read(new()));
            await Measure("events: of a subject", i => Read(new() { Subject = subjects[i] }));
            await Measure("events: a type that there is none of", _ => Read(new() { Type = "nothing.like.it" }));
            await Measure("events: a text that there is none of", _ => Read(new() { Text = "nothing like it" }));
            foreach (var outcome in Enum.GetValues<EventOutcome>())
                await Measure($"events: {outcome}", _ => Read(new() { Outcome = outcome }));
            await Measure("event: explained", i => explain.ExplainEvent(ids[i], null, default));
            await Measure("watches", _ => watches.List(null, Page, default));
            await Measure("routes", _ => routes.List(default));
            await Measure("sources", _ => sources.Read(DateTimeOffset.UtcNow, default));
            await Measure("runners", _ => runners.List(default));
            await Measure("costs: 30 days", _ => costs.ListDays(30, default));
            await Measure("activity", _ => explain.ListActivity(Page, null, default));
            await Measure("pauses", _ => pauses.List(default));
        }

        await Servers.DropDatabase(connection);

        Task List(SessionQuery query) => sessions.List(query, Page, null, default);
        Task Read(EventQuery query) => events.Read(query, Page, null, default);
        static SessionQuery By(SessionSort sort) => new() { Order = new(sort, Descending: true) };

        async Task Measure(string what, Func<int, Task> ask)
        {
            // The first makes its plan.
            await ask(0);
            List<double> took = [];
            for (var i = 0; i < Times && (took.Count < 20 || took.Sum() < 10_000); i++)
            {
                var begun = Stopwatch.GetTimestamp();
                await ask(i * 7 % 1000);
                took.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
            }

            var p95 = Percentile(took, 0.95);
            Line(
                new
                {
                    Kind = "console",
                    What = what,
                    P50Ms = Math.Round(Median(took), 2),
                    P95Ms = Math.Round(p95, 2),
                    Times = took.Count,
                }
            );
            figures.Add(name, what, p95, new(Aim: 50));
        }
    }

    // Saved row by row, as while turns run.
    static async Task FillTranscript(NpgsqlDataSource database, Guid claudeSession)
    {
        await Execute(
            database,
            $"update transcript_files set bytes = 0 where claude_session_id = '{claudeSession}' and path = ''"
        );
        var copy = (
            await Column<long>(
                database,
                $"select copy from transcript_files where claude_session_id = '{claudeSession}' and path = ''"
            )
        ).Single();
        var (start, now) = (0L, DateTimeOffset.UtcNow);
        await using var connection = await database.OpenConnectionAsync();
        await using (
            var writer = await connection.BeginBinaryImportAsync(
                "copy transcript_segments (copy, start, content) from stdin (format binary)"
            )
        )
        {
            for (var i = 0; i < TranscriptRows; i++)
            {
                // The last hundred are of the last turn.
                var at = i < TranscriptRows - 100 ? now.AddDays(-30).AddSeconds(i) : now.AddDays(-1).AddSeconds(1);
                var row = JsonSerializer.SerializeToUtf8Bytes(
                    new
                    {
                        type = "assistant",
                        uuid = Guid.NewGuid(),
                        timestamp = at,
                        message = new { content = new string('x', 1000) },
                    }
                );
                row = [.. row, (byte)'\n'];
                using var compressed = new MemoryStream();
                await using (var zlib = new ZLibStream(compressed, CompressionLevel.Fastest, leaveOpen: true))
                    await zlib.WriteAsync(row);
                await writer.StartRowAsync();
                await writer.WriteAsync(copy);
                await writer.WriteAsync(start);
                await writer.WriteAsync(compressed.ToArray());
                start += row.Length;
            }

            await writer.CompleteAsync();
        }

        await Execute(
            database,
            $"update transcript_files set bytes = {start}, rows = {TranscriptRows} where copy = {copy}"
        );
        await Execute(database, "vacuum analyze transcript_segments");
    }

    static async Task<List<T>> Column<T>(NpgsqlDataSource database, string sql)
    {
        await using var command = database.CreateCommand(sql);
        return await command.ReadAll(row => row.GetFieldValue<T>(0), CancellationToken.None);
    }

    static async Task Execute(NpgsqlDataSource database, string sql)
    {
        await using var command = database.CreateCommand(sql);
        command.CommandTimeout = 0;
        await command.ExecuteNonQueryAsync();
    }
}
