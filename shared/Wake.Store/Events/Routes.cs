using Npgsql;

namespace Wake.Store;

/// <summary>Stores routes. The only writer of the table; Intake.sql, WatchedSubjects and Turns read it.</summary>
public sealed class Routes(NpgsqlDataSource database)
{
    const string Columns = """
        name, configured, subject, types, conditions, session, profile, workspace,
        full_prompt, delta_prompt, created_at, close_after, ci::text, report
        """;

    // Coordinators that start together write the same routes. Any constant will do that no other lock has.
    const string LockRoutes = "select pg_advisory_xact_lock(5427021)";

    /// <summary>The routes by name.</summary>
    public async Task<IReadOnlyList<Route>> List(CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            $"select {Columns} from routes where ended_at is null order by name"
        );
        return await command.ReadAll(Read, cancel);
    }

    /// <summary>Makes a route what is given, or leaves it if it is. Null when one of this name stands in the
    /// configuration.</summary>
    public async Task<Route?> Put(string name, RouteDefinition terms, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add(LockRoutes);
        Put(batch, name, terms, configured: false);
        batch.Add($"select {Columns} from routes where name = $1 and ended_at is null and not configured", name);

        await using var rows = await batch.ExecuteReaderAsync(cancel);
        await rows.NextResultAsync(cancel);
        return await rows.ReadAsync(cancel) ? Read(rows) : null;
    }

    /// <summary>Ends a route. What it has routed, and the sessions it began, stay. False when the API has none of this
    /// name.</summary>
    public async Task<bool> Delete(string name, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            "update routes set ended_at = clock_timestamp() where name = $1 and ended_at is null and not configured"
        );
        command.Parameters.AddWithValue(name);
        return await command.ExecuteNonQueryAsync(cancel) > 0;
    }

    /// <summary>Makes the routes of the configuration those that are given, whoever made one of the same name
    /// before.</summary>
    public async Task ReplaceConfigured(IReadOnlyDictionary<string, RouteDefinition> routes, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add(LockRoutes);
        batch.Add(
            "update routes set ended_at = clock_timestamp() where ended_at is null and configured and name <> all ($1)",
            (object)routes.Keys.ToArray()
        );
        foreach (var (name, terms) in routes)
            Put(batch, name, terms, configured: true);
        await batch.ExecuteNonQueryAsync(cancel);
    }

    static void Put(NpgsqlBatch batch, string name, RouteDefinition terms, bool configured)
    {
        object?[] given =
        [
            name,
            configured,
            terms.Subject,
            terms.Types?.ToArray(),
            terms.Where?.ToArray(),
            terms.Session,
            terms.Profile ?? Profiles.DefaultName,
            Path.TrimEndingDirectorySeparator(terms.Workspace!),
            terms.FullPrompt,
            terms.DeltaPrompt,
            terms.CloseDelay,
            terms.Ci?.ToJson(),
            terms.Report?.ToCamelCase(),
        ];

        batch.Add(
            """
            update routes set ended_at = clock_timestamp()
            where name = $1 and ended_at is null and ($2 or not configured)
              and (configured, subject, types, conditions, session, profile, workspace, full_prompt, delta_prompt, close_after, ci, report)
                  is distinct from ($2, $3::text, $4::text[], $5::text[], $6, $7, $8, $9::text, $10::text, $11::interval, $12::jsonb, $13::text)
            """,
            given
        );
        batch.Add(
            """
            insert into routes (name, configured, subject, types, conditions, session, profile, workspace, full_prompt, delta_prompt, close_after, ci, report,
                                id, pattern, type_patterns, terms, session_pattern)
            select $1, $2, $3::text, $4::text[], $5::text[], $6, $7, $8, $9::text, $10::text, $11::interval, $12::jsonb, $13::text, $14, $15, $16::text[], $17::text[], $18
            where not exists (select from routes where name = $1 and ended_at is null)
            """,
            [
                .. given,
                Guid.CreateVersion7(),
                Sql.LikePattern(terms.Subject ?? "*"),
                Sql.LikePatterns(terms.Types),
                EventCondition.ToSqlTerms(terms.Where),
                Sql.LikePattern(terms.Session!.Replace(RouteDefinition.SubjectPlaceholder, "*")),
            ]
        );
    }

    static Route Read(NpgsqlDataReader row) =>
        new(
            row.GetString(0),
            row.GetBoolean(1),
            new()
            {
                Subject = row.GetText(2),
                Types = row.GetTexts(3),
                Where = row.GetTexts(4),
                Session = row.GetString(5),
                Profile = row.GetString(6),
                Workspace = row.GetString(7),
                FullPrompt = row.GetText(8),
                DeltaPrompt = row.GetText(9),
                OnEnd = row.IsDBNull(11) ? null : EndPolicy.Close,
                CloseAfter = row.GetNullable<TimeSpan>(11) is { } after && after > TimeSpan.Zero ? after : null,
                Ci = CiPolicy.FromJson(row.GetText(12)),
                Report = row.IsDBNull(13) ? null : row.GetEnum<ReportPolicy>(13),
            },
            row.GetFieldValue<DateTimeOffset>(10)
        );
}
