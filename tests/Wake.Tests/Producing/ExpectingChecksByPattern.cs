using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.Producers.GitHub;
using Wake.ServiceDefaults;
using Wake.Store;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>By when checks are to have started on commits that a pattern means: while a pull request that has one is
/// open.</summary>
public sealed class ExpectingChecksByPattern(TestStore store) : IClassFixture<TestStore>
{
    static readonly GitHubRepository Repository = new(GitHubRepository.Public, "octo-org/hello", Id: 1);

    static readonly string Head = LoopbackGitHub.Sha(1);

    [Theory]
    [InlineData("@*", false, true)]
    [InlineData("@*", true, false)]
    [InlineData("#*", false, true)]
    [InlineData("#*", true, false)]
    [InlineData("", true, true)]
    public async Task Nobody_waits_for_the_checks_of_what_is_closed_but_who_has_named_the_commit(
        string pattern,
        bool closed,
        bool told
    )
    {
        await SqlMigrations.Apply(store.Database, typeof(GitHubServices).Assembly, CancellationToken.None);
        await using var github = await LoopbackGitHub.Start();
        var options = new GitHubOptions
        {
            Accounts = new Dictionary<string, GitHubAccount>
            {
                ["main"] = new() { Api = github.Url, Token = "ghp_secret" },
            },
        };
        var backoff = new RateLimitBackoff(store.Database);
        using var client = new GitHubClient(
            options.Accounts["main"],
            options,
            backoff,
            TimeProvider.System,
            NullLogger.Instance
        );
        var now = DateTimeOffset.UtcNow;
        var watched = WatchedRepository
            .FromSubjects([
                new WatchedSubject($"{Repository.Subject}#1", [], now.AddHours(-2)),
                new WatchedSubject(
                    pattern == "" ? Repository.Commit(Head) : $"{Repository.Subject}{pattern}",
                    ["github.ci.*"],
                    now.AddHours(-2)
                )
                {
                    ExpectWithin = TimeSpan.FromHours(1),
                },
            ])
            .Single();
        var state = new RepositoryState();
        state.Pulls[1] = new(now.AddHours(-2), now, closed ? now : null, Head);
        // Without an end, and of a time before the deadline.
        state.Commits[Head] = new(now.AddHours(-2), Baseline: false) { MovedAt = now, Empty = true };
        List<ExternalEventObserved> events = [];

        await new CommitPoll(
            watched,
            state,
            new(Repository, state, client, TimeProvider.System),
            GitHubObservation.Poll(Repository),
            new(
                new(
                    Options.Create(new GitHubOptions()),
                    backoff,
                    TimeProvider.System,
                    NullLogger<GitHubClient>.Instance
                ),
                NullLogger<JobLogs>.Instance
            ),
            found =>
            {
                events.AddRange(found.SelectMany(x => x.Events));
                return Task.CompletedTask;
            },
            options,
            NullLogger.Instance
        ).PollCommits([], new(TimeSpan.FromSeconds(30), TimeSpan.FromHours(1), CiRules.None), CancellationToken.None);

        Assert.Equal(told ? ["github.ci.missing"] : [], events.Select(x => x.Type));
    }
}
