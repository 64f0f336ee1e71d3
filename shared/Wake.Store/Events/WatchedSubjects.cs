using System.IO.Enumeration;
using Npgsql;

namespace Wake.Store;

/// <summary>What is waited for, by whatever session: for producers that must ask for what happens instead of being
/// told.</summary>
/// <remarks>
/// Read whole once. From then on a look reads what is new and one page of the rest, in turn: however many watches there
/// are, it takes as long. A watch that ends is thus noticed at once where all fit into a page, and after a round where
/// they do not.
/// </remarks>
public sealed class WatchedSubjects(NpgsqlDataSource database)
{
    // A watch is seen when its transaction has committed, which may be that long after it was made.
    static readonly TimeSpan Overlap = TimeSpan.FromMinutes(1);

    // Of rows with the policy of a watch or a route, and a profile: as RerunFor counts.
    static string Rerun(string profile) =>
        $"""
            (select case when (p.ci ->> 'rerunFirst')::boolean then case when (p.ci ->> 'allPullRequests')::boolean then 2 else 1 end else 0 end
             from (select case when (select exists (select from profile_pools where ci is not null)) then coalesce(ci, profile_ci({profile}))
                               else ci end as ci) p)
            """;

    static readonly string RerunOfWatch = Rerun("(select s.profile from sessions s where s.id = session_id)");
    static readonly string RerunOfRoute = Rerun("profile");

    static readonly string WatchColumns = $"subject, types, created_at, {RerunOfWatch}, expect_by - created_at";

    readonly Dictionary<string, PrefixCache> known = [];

    /// <summary>Watches read at a time.</summary>
    public int PageSize { get; init; } = 2_000;

    /// <summary>
    /// The subjects of watches and routes that begin like this; with a <c>*</c> in them they are patterns. The same
    /// list as the last time while nothing has changed. Asked for by one at a time.
    /// </summary>
    public async Task<IReadOnlyList<WatchedSubject>> FindByPrefix(string prefix, CancellationToken cancel)
    {
        if (!known.TryGetValue(prefix, out var all))
        {
            var first = new PrefixCache();
            while (!await ReadPage(prefix, first, cancel)) { }

            known.Add(prefix, all = first);
        }
        else
        {
            await ReadPage(prefix, all, cancel);
        }

        return all.Subjects;
    }

    // Whether the page was the last one.
    async Task<bool> ReadPage(string prefix, PrefixCache all, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            $"""
            with page as materialized (
                select id, session_id, subject, types, created_at, expires_at, ci, expect_by from watches where id > $2 order by id limit $3
            )
            select id, {WatchColumns} from page
            where starts_with(subject, $1) and (expires_at is null or expires_at > clock_timestamp())
            union all
            -- and how far a full page goes, whatever is in it
            (select id, null, null, created_at, 0, null from page order by id offset $3 - 1 limit 1)
            """,
            prefix,
            all.Position,
            PageSize
        );
        batch.Add(
            $"""
            select id, {WatchColumns} from watches
            -- with an end, so that the planner takes them for the few they are
            where created_at between $2 and now() + interval '1 hour' and starts_with(subject, $1) and (expires_at is null or expires_at > clock_timestamp())
            """,
            prefix,
            all.ReadAt - Overlap
        );
        batch.Add(
            $"""
            select subject, types, created_at, {RerunOfRoute}, null::interval from routes where ended_at is null and starts_with(subject, $1)
            """,
            prefix
        );
        batch.Add("select now()");

        await using var rows = await batch.ExecuteReaderAsync(cancel);
        List<(Guid, WatchedSubject)> page = [];
        Guid? last = null;
        while (await rows.ReadAsync(cancel))
        {
            if (rows.IsDBNull(1))
                last = rows.GetGuid(0);
            else
                page.Add(Read(rows));
        }

        await rows.NextResultAsync(cancel);
        var recent = await rows.ReadAll(Read, cancel);
        await rows.NextResultAsync(cancel);
        var routes = await rows.ReadAll(row => Subject(row, 0), cancel);
        await rows.NextResultAsync(cancel);
        await rows.ReadAsync(cancel);

        all.ApplyPage(page, last, recent, routes);
        all.ReadAt = rows.GetFieldValue<DateTimeOffset>(0);
        return last is null;
    }

    static (Guid Id, WatchedSubject Subject) Read(NpgsqlDataReader row) => (row.GetGuid(0), Subject(row, 1));

    static WatchedSubject Subject(NpgsqlDataReader row, int first) =>
        new(row.GetString(first), row.GetTexts(first + 1), row.GetFieldValue<DateTimeOffset>(first + 2))
        {
            Rerun = (RerunFor)row.GetInt32(first + 3),
            ExpectWithin = row.GetNullable<TimeSpan>(first + 4),
        };

    // What is known of one beginning.
    sealed class PrefixCache
    {
        readonly Dictionary<Guid, WatchedSubject> watches = [];
        List<WatchedSubject> routes = [];
        IReadOnlyList<WatchedSubject>? subjects;

        public Guid Position { get; private set; }

        public DateTimeOffset ReadAt { get; set; } = DateTimeOffset.UtcNow;

        public IReadOnlyList<WatchedSubject> Subjects =>
            subjects ??= [
                .. from one in watches.Values.Concat(routes)
                group one by (
                    one.Subject,
                    one.Rerun,
                    one.ExpectWithin,
                    Types: one.Types is null ? null : string.Join('\n', one.Types)
                ) into same
                select same.MinBy(x => x.Since)!,
            ];

        // A page stands for all there is after the position, up to its last one or, when there is none, to the end.
        public void ApplyPage(
            List<(Guid Id, WatchedSubject Subject)> page,
            Guid? last,
            List<(Guid Id, WatchedSubject Subject)> recent,
            List<WatchedSubject> current
        )
        {
            var there = page.Concat(recent).Select(x => x.Id).ToHashSet();
            foreach (var gone in watches.Keys.Where(x => x > Position && !(x > last) && !there.Contains(x)).ToList())
            {
                watches.Remove(gone);
                subjects = null;
            }

            foreach (var (id, subject) in page.Concat(recent))
            {
                // The policy of its profile may have changed.
                if (watches.TryGetValue(id, out var seen) && seen.Rerun == subject.Rerun)
                    continue;
                watches[id] = subject;
                subjects = null;
            }

            if (!routes.Select(Text).SequenceEqual(current.Select(Text)))
                (routes, subjects) = (current, null);

            Position = last ?? Guid.Empty;

            static (string, RerunFor, string?) Text(WatchedSubject x) =>
                (x.Subject, x.Rerun, x.Types is null ? null : string.Join('\n', x.Types));
        }
    }
}

/// <summary>What is waited for.</summary>
/// <param name="Subject">The subject; with a <c>*</c> in it a pattern.</param>
/// <param name="Types">The event types, with <c>*</c> for anything; null: all.</param>
/// <param name="Since">Since when.</param>
public sealed record WatchedSubject(string Subject, IReadOnlyList<string>? Types, DateTimeOffset Since)
{
    /// <summary>Whose failed checks are run again before anybody is told.</summary>
    public RerunFor Rerun { get; init; }

    /// <summary>Within what time something is to come of it; null: no matter.</summary>
    public TimeSpan? ExpectWithin { get; init; }

    /// <summary>Whether events of this type are among them.</summary>
    public bool MatchesType(string type) =>
        Types is null || Types.Any(x => FileSystemName.MatchesSimpleExpression(x, type, ignoreCase: false));
}

/// <summary>Whose failed checks are run again first.</summary>
public enum RerunFor
{
    /// <summary>No failed check is run again.</summary>
    Nobody,

    /// <summary>Those of pull requests that sessions have opened.</summary>
    Sessions,

    /// <summary>Those of all pull requests.</summary>
    Everybody,
}
