using System.Text.Json;
using Npgsql;

namespace Wake.Producers.GitHub;

/// <summary>Where the poller is in each repository. Several processes share the work through it, and none forgets by a
/// restart.</summary>
sealed class GitHubCursors(NpgsqlDataSource database)
{
    // A claim expires when its poll has saved nothing for this long: the process is taken to be dead. A slow poll is
    // then done twice, which costs requests only.
    static readonly TimeSpan ClaimTimeout = TimeSpan.FromSeconds(15);

    // A producer that was not seen for so long is gone, and what its accounts looked at is another's. What nobody has
    // taken on for a day nobody will.
    static readonly TimeSpan AccountTimeout = TimeSpan.FromMinutes(2),
        AbandonedAfter = TimeSpan.FromDays(1);

    /// <summary>One repository that is due.</summary>
    /// <param name="Watched">What is watched in it.</param>
    /// <param name="State">What was seen last.</param>
    /// <param name="RequestedSubjects">The subjects that have moved.</param>
    /// <param name="LastRequest">The last of the rings among them.</param>
    public sealed record DueRepository(
        WatchedRepository Watched,
        RepositoryState State,
        IReadOnlyList<string> RequestedSubjects,
        long LastRequest
    );

    /// <summary>Takes note of what is watched. What is newly watched is due at once.</summary>
    /// <param name="all">Everything that is watched in the store, whoever can look at it.</param>
    /// <param name="readers">The accounts of this process that read each repository, the preferred ones first.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task SyncWatched(
        IReadOnlyList<WatchedRepository> all,
        ILookup<string, string> readers,
        CancellationToken cancel
    )
    {
        var ours = all.Where(x => readers.Contains(x.Repository.Subject)).ToList();
        await using var batch = database.CreateBatch();
        batch.BatchCommands.Add(
            new(
                """
                with wanted as (
                    select repository, array_agg(subject order by subject) as watched, array_agg(since order by subject) as since,
                           bool_or(deployments) as deployments, bool_or(releases) as releases, array_agg(rerun order by subject) as reruns,
                           min(expects)::jsonb as expects
                    from unnest($1::text[], $2::text[], $3::timestamptz[], $4::boolean[], $5::boolean[], $8::int[], $9::text[])
                        as w (repository, subject, since, deployments, releases, rerun, expects)
                    group by repository
                ), forgotten as (
                    -- of the repositories that only others can look at: what nobody has looked after for long
                    delete from github.cursors
                    where repository <> all ($6) or (repository <> all ($1) and seen_at < clock_timestamp() - $7)
                ), silenced as (
                    delete from github.rings where repository <> all ($6)
                )
                insert into github.cursors as known (repository, watched, since, deployments, releases, reruns, expects)
                select repository, watched, since, deployments, releases, reruns, expects from wanted order by repository
                on conflict (repository) do update set
                    watched = excluded.watched, since = excluded.since, deployments = excluded.deployments, releases = excluded.releases,
                    reruns = excluded.reruns, expects = excluded.expects,
                    due_at = case
                        when excluded.watched <@ known.watched and excluded.deployments <= known.deployments and excluded.releases <= known.releases
                        then known.due_at else clock_timestamp()
                    end
                where (known.watched, known.since, known.deployments, known.releases, known.reruns, known.expects)
                    <> (excluded.watched, excluded.since, excluded.deployments, excluded.releases, excluded.reruns, excluded.expects)
                """
            )
            {
                Parameters =
                {
                    new() { Value = ours.SelectMany(x => x.Subjects.Select(_ => x.Repository.Subject)).ToArray() },
                    new() { Value = ours.SelectMany(x => x.Subjects).ToArray() },
                    new() { Value = ours.SelectMany(x => x.Subjects.Select(y => x.Since[y])).ToArray() },
                    new() { Value = ours.SelectMany(x => x.Subjects.Select(_ => x.Deployments)).ToArray() },
                    new() { Value = ours.SelectMany(x => x.Subjects.Select(_ => x.Releases)).ToArray() },
                    new() { Value = all.Select(x => x.Repository.Subject).ToArray() },
                    new() { Value = AbandonedAfter },
                    new() { Value = ours.SelectMany(RerunCodes).ToArray() },
                    new() { Value = ours.SelectMany(ExpectsOfSubjects).ToArray() },
                },
            }
        );

        // One account looks at a repository: whichever has it keeps it while its producer lives and it can. Of our own
        // accounts the preferred one has it. Who cannot says until when, and asks no more before that, unless nobody
        // else is left.
        batch.BatchCommands.Add(
            new(
                """
                with candidates as (
                    select distinct on (c.repository) c.repository, w.account, able.it as able
                    from unnest($1::text[], $2::text[]) with ordinality as w (repository, account, rank)
                    join github.cursors c on c.repository = w.repository
                    cross join lateral (select coalesce((c.unable ->> w.account)::timestamptz <= clock_timestamp(), true)) as able (it)
                    where c.account is null or c.account = any ($2) or c.seen_at < clock_timestamp() - $3
                       or (able.it and (c.unable ->> c.account)::timestamptz > clock_timestamp())
                    order by c.repository, able.it desc, w.rank
                ), changed as (
                    select c.repository, k.account, k.able and c.account is not null and c.account <> k.account as now
                    from candidates k join github.cursors c using (repository)
                    where c.account is distinct from k.account or c.seen_at < clock_timestamp() - $3 / 4
                    order by c.repository
                    for update of c skip locked
                )
                update github.cursors c
                set account = changed.account, seen_at = clock_timestamp(), due_at = case when changed.now then clock_timestamp() else c.due_at end
                from changed where changed.repository = c.repository
                """
            )
            {
                Parameters =
                {
                    new() { Value = readers.SelectMany(x => x.Select(_ => x.Key)).ToArray() },
                    new() { Value = readers.SelectMany(x => x).ToArray() },
                    new() { Value = AccountTimeout },
                },
            }
        );
        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>These have moved, as a webhook says. What nobody looks at is left alone.</summary>
    public async Task RequestRepoll(IReadOnlyCollection<string> subjects, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            with rung as materialized (
                select c.repository, r.subject
                from unnest($1::text[], $2::text[]) as r (repository, subject)
                join github.cursors c on c.repository = r.repository
                where r.subject = any (c.watched || c.also)
                   -- one that nobody has seen yet and a pattern means
                   or exists (select from unnest(c.watched) w
                              where position('*' in w) > 0
                                and r.subject like replace(replace(replace(replace(w, '\', '\\'), '%', '\%'), '_', '\_'), '*', '%'))
            ), before as (
                -- the new one counts: a look that is under way has heeded the old one only
                delete from github.rings where (repository, subject) in (select repository, subject from rung)
            ), heard as (
                insert into github.rings (repository, subject) select repository, subject from rung
            )
            update github.cursors set due_at = least(due_at, clock_timestamp()) where repository in (select repository from rung)
            """
        );
        command.Parameters.AddWithValue(subjects.Select(x => WatchedRepository.RepositorySubjectOf(x) ?? "").ToArray());
        command.Parameters.AddWithValue(subjects.ToArray());
        await command.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>
    /// The pull requests that a commit is the head of, or has become; whether the commit is watched itself; and whether
    /// it is one that a pull request has left.
    /// </summary>
    public async Task<(long[] Pulls, bool Watched, bool Left)> FindCommit(
        string repository,
        string sha,
        CancellationToken cancel
    )
    {
        await using var command = database.CreateCommand(
            """
            select array(select key::bigint from json_each(state -> 'Pulls') where value ->> 'Head' = $2 or value ->> 'MergedAs' = $2 order by 1),
                   repository || '@' || $2 = any (watched),
                   exists (select from json_each(state -> 'Pulls') where (value -> 'Past')::jsonb ? $2)
            from github.cursors where repository = $1
            """
        );
        command.Parameters.AddWithValue(repository);
        command.Parameters.AddWithValue(sha);
        await using var row = await command.ExecuteReaderAsync(cancel);
        return await row.ReadAsync(cancel)
            ? (row.GetFieldValue<long[]>(0), row.GetBoolean(1), row.GetBoolean(2))
            : ([], false, false);
    }

    /// <summary>What is watched in a repository whose failed checks may be run again first, and what was seen of it;
    /// null where none are, or nobody looks.</summary>
    public async Task<(WatchedRepository Watched, RepositoryState State)?> FindReruns(
        string repository,
        CancellationToken cancel
    )
    {
        await using var command = database.CreateCommand(
            "select watched, reruns, state::text from github.cursors where repository = $1 and 0 < any (reruns)"
        );
        command.Parameters.AddWithValue(repository);
        await using var row = await command.ExecuteReaderAsync(cancel);
        if (!await row.ReadAsync(cancel))
            return null;

        var watched = row.GetFieldValue<string[]>(0);
        return (
            WatchedRepository.FromSubjects(watched).Single() with
            {
                Reruns = RerunRules(watched, row.GetFieldValue<int[]>(1)),
            },
            RepositoryState.FromJson(row.GetString(2))
        );
    }

    // For each subject: 0 for none, 1 for those of the logins that sessions work as, 2 for anybody's.
    static IEnumerable<int> RerunCodes(WatchedRepository watched)
    {
        var codes = watched.Reruns.ToDictionary(x => x.Subject, x => x.AnyAuthor ? 2 : 1);
        return watched.Subjects.Select(x => codes.GetValueOrDefault(x));
    }

    // All of them once and not beside every subject, each of which may have one.
    static IEnumerable<string?> ExpectsOfSubjects(WatchedRepository watched)
    {
        var expects = JsonSerializer.Serialize(watched.Expects);
        return watched.Subjects.Select((_, index) => index == 0 ? expects : null);
    }

    // An older version writes what is watched without them.
    static IReadOnlyList<RerunRule> RerunRules(string[] watched, int[] reruns) =>
        reruns.Length == watched.Length
            ? [.. watched.Zip(reruns).Where(x => x.Second > 0).Select(x => new RerunRule(x.First, x.Second > 1))]
            : [];

    /// <summary>Takes one of these repositories that is this account's and due; null when none is.</summary>
    public async Task<DueRepository?> ClaimDue(
        string account,
        IReadOnlyCollection<string> repositories,
        CancellationToken cancel
    )
    {
        await using var command = database.CreateCommand(
            """
            with due as (
                select repository from github.cursors
                where repository = any ($1) and account = $3 and due_at <= clock_timestamp() and busy_until <= clock_timestamp()
                order by due_at limit 1 for update skip locked
            ), heard as (
                select array_agg(distinct subject) as subjects, max(seq) as last
                from github.rings where repository in (select repository from due)
            )
            update github.cursors c set busy_until = now() + $2, due_at = now() + $2
            from due, heard
            where c.repository = due.repository
            returning c.watched, c.since, c.deployments, c.releases, c.state::text, coalesce(heard.subjects, '{}'), coalesce(heard.last, 0), c.reruns, c.expects::text
            """
        );
        command.Parameters.AddWithValue(repositories.ToArray());
        command.Parameters.AddWithValue(ClaimTimeout);
        command.Parameters.AddWithValue(account);
        await using var row = await command.ExecuteReaderAsync(cancel);
        if (!await row.ReadAsync(cancel))
            return null;

        var watched = row.GetFieldValue<string[]>(0);
        return new(
            WatchedRepository.FromSubjects(watched).Single() with
            {
                Since = watched.Zip(row.GetFieldValue<DateTimeOffset[]>(1)).ToDictionary(x => x.First, x => x.Second),
                Deployments = row.GetBoolean(2),
                Releases = row.GetBoolean(3),
                Reruns = RerunRules(watched, row.GetFieldValue<int[]>(7)),
                Expects = JsonSerializer.Deserialize<ExpectRule[]>(row.GetString(8)) ?? [],
            },
            RepositoryState.FromJson(row.GetString(4)),
            row.GetFieldValue<string[]>(5),
            row.GetInt64(6)
        );
    }

    /// <summary>Keeps what was seen, whose events have been accepted.</summary>
    public async Task SaveState(string repository, string state, IEnumerable<string> also, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            update github.cursors
            set state = $2::json, also = $3, due_at = case when due_at = busy_until then now() + $4 else due_at end, busy_until = now() + $4
            where repository = $1
            """
        );
        command.Parameters.AddWithValue(repository);
        command.Parameters.AddWithValue(state);
        command.Parameters.AddWithValue(also.ToArray());
        command.Parameters.AddWithValue(ClaimTimeout);
        await command.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Gives it back until its next look, or until it rings.</summary>
    /// <param name="repository">The repository.</param>
    /// <param name="rings">Up to where the rings have been heeded; -1 when the look failed.</param>
    /// <param name="wait">How long until the next look.</param>
    /// <param name="account">The account that looked.</param>
    /// <param name="unable">How long it leaves the repository to others that can look at it; zero when it could
    /// itself.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task Release(
        string repository,
        long rings,
        TimeSpan wait,
        string account,
        TimeSpan unable,
        CancellationToken cancel
    )
    {
        await using var batch = database.CreateBatch();
        batch.BatchCommands.Add(
            new("delete from github.rings where repository = $1 and seq <= $2")
            {
                Parameters =
                {
                    new() { Value = repository },
                    new() { Value = rings },
                },
            }
        );
        batch.BatchCommands.Add(
            new(
                """
                update github.cursors
                set busy_until = '-infinity',
                    -- both are the same unless somebody has asked for it meanwhile
                    due_at = case when $2 >= 0 and due_at < busy_until then due_at else now() + $3 end,
                    unable = case when $5 > interval '0' then unable || jsonb_build_object($4::text, now() + $5) else unable - $4 end
                where repository = $1
                """
            )
            {
                Parameters =
                {
                    new() { Value = repository },
                    new() { Value = rings },
                    new() { Value = wait },
                    new() { Value = account },
                    new() { Value = unable },
                },
            }
        );
        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>
    /// Up to when the deliveries of a hook are accounted for, for whoever looks at them now; null when somebody has
    /// looked within this turn.
    /// </summary>
    /// <param name="hook">The hook.</param>
    /// <param name="before">What an older version called it.</param>
    /// <param name="kept">How far back a first look goes.</param>
    /// <param name="turn">How long one look lasts for all.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task<DateTimeOffset?> ClaimHook(
        string hook,
        string before,
        TimeSpan kept,
        TimeSpan turn,
        CancellationToken cancel
    )
    {
        await using var command = database.CreateCommand(
            """
            with gone as (
                delete from github.hooks where hook <> $1 and looked_at < now() - interval '30 days'
            )
            insert into github.hooks as known (hook, until) select $1, coalesce((select until from github.hooks where hook = $4), now() - $2)
            on conflict (hook) do update set looked_at = now() where known.looked_at <= now() - $3
            returning until
            """
        );
        command.Parameters.AddWithValue(hook);
        command.Parameters.AddWithValue(kept);
        command.Parameters.AddWithValue(turn);
        command.Parameters.AddWithValue(before);
        return await command.ExecuteScalarAsync(cancel) is DateTime until ? until : null;
    }

    public async Task SaveHookProgress(string hook, DateTimeOffset until, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            "update github.hooks set until = greatest(until, $2) where hook = $1"
        );
        command.Parameters.AddWithValue(hook);
        command.Parameters.AddWithValue(until.ToUniversalTime());
        await command.ExecuteNonQueryAsync(cancel);
    }
}
