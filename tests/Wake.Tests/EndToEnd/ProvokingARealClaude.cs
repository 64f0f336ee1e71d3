using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Wake.Offline;
using Wake.Runner;
using Wake.Store;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

public sealed class ProvokingClaude_2_1_329() : ProvokingARealClaude(RealClaude.Current);

public sealed class ProvokingClaude_2_1_197() : ProvokingARealClaude(RealClaude.Old);

/// <summary>
/// The real CLI, run as the runner runs it, on an API that fails in every way it can be made to: each failure lands in
/// its class. Keeps the recordings of <see cref="Running.TellingOutcomesApart"/> honest.
/// </summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public abstract class ProvokingARealClaude(string version) : IAsyncLifetime
{
    readonly TemporaryFolder folder = new();
    readonly ProcessLauncher launcher = new(Options.Create(new RunnerOptions()));
    MessagesApi api = null!;

    public async Task InitializeAsync()
    {
        api = await MessagesApi.Start();
        Directory.CreateDirectory(folder.File("work"));
    }

    public async Task DisposeAsync()
    {
        launcher.Dispose();
        await api.DisposeAsync();
        folder.Dispose();
    }

    [Theory]
    [InlineData("[[say:done]]", "Completed", "ends")]
    [InlineData("[[stop:refusal]][[say:no]]", "Refused", "ends")]
    [InlineData("[[http:400]]", "ApiRefuses", "parked")]
    [InlineData("[[http:400]][[msg:prompt is too long: 250000 tokens > 200000 maximum]]", "Poisoned", "fresh")]
    [InlineData(
        "[[http:400]][[msg:Your credit balance is too low to access the Anthropic API.]]",
        "AccountProblem",
        "parked"
    )]
    [InlineData("[[http:401]]", "AccountProblem", "parked")]
    [InlineData("[[http:403]]", "AccountProblem", "parked")]
    [InlineData("[[http:404]]", "Misconfigured", "parked")]
    [InlineData("[[http:413]]", "Poisoned", "fresh")]
    [InlineData("[[http:429]]", "ApiUnavailable", "again")]
    [InlineData("[[http:429]][[retryafter:3600]]", "ApiUnavailable", "again")]
    [InlineData("[[http:500]]", "ApiUnavailable", "again")]
    [InlineData("[[http:529]]", "ApiUnavailable", "again")]
    [InlineData("[[drop]]", "ApiUnavailable", "again")]
    public async Task What_the_api_answers(string script, string kind, string reaction)
    {
        api.Always(script);

        Assert.Equal((kind, reaction), Told(await Run()));
    }

    [Fact]
    public async Task Limits_of_the_profile()
    {
        api.Always("[[usage:100000:100000]][[bash:true]]");

        Assert.Equal(("LimitReached", "ends"), Told(await Run(new() { MaxTurns = 1, AllowedTools = ["Bash"] })));
        Assert.Equal(
            ("LimitReached", "ends"),
            Told(await Run(new() { MaxBudgetUsd = 0.01m, AllowedTools = ["Bash"] }))
        );
    }

    [Fact]
    public async Task What_a_session_has_spent_before_does_not_count_against_the_budget_of_a_turn()
    {
        var session = Guid.NewGuid();
        api.Always("[[usage:10000:1000]][[say:done]]");
        Profile profile = new() { MaxBudgetUsd = 0.15m };

        // Three turns exceed it together. A new session is also given a title, for which the older release asks and
        // pays.
        for (var turn = 1; turn <= 3; turn++)
        {
            var run = await Run(profile, session, resume: turn > 1);
            Assert.Equal("Completed", Told(run).Kind);
            Assert.InRange(run.Cost.Usd, 0.055m, 0.08m);
            Assert.InRange(run.Cost.Tokens.Input, 10_000, 10_020);
            Assert.InRange(run.Cost.Tokens.Output, 1000, 1020);
        }
    }

    [Fact]
    public async Task Sessions_and_set_ups_that_cannot_be()
    {
        var session = Guid.NewGuid();
        await Run(session: session);

        Assert.Equal(("AlreadyBegun", "resumed"), Told(await Run(session: session)));
        Assert.Equal(("SessionLost", "fresh"), Told(await Run(resume: true)));
        Assert.Equal(("Misconfigured", "parked"), Told(await Run(new() { Arguments = ["--nonsense"] })));
        Assert.Equal(("CannotRun", "at once again, no work"), Told(await Run(login: false)));
        Assert.Equal(("CannotRun", "at once again, no work"), Told(await Run(program: folder.File("no such program"))));
    }

    [Fact]
    public async Task Killed_while_the_api_is_silent()
    {
        api.Always("[[hold]]");

        var run = Run();
        await api.Next(_ => true);
        foreach (
            var process in System
                .Diagnostics.Process.GetProcessesByName("claude")
                .Where(x => Environ(x.Id).Contains(folder.Path, StringComparison.Ordinal))
        )
            process.Kill();

        Assert.Equal(("Crashed", "again"), Told(await run));
    }

    [Theory]
    [InlineData("idle", "it said nothing for too long")]
    [InlineData("total", "it took too long")]
    public async Task Silent_for_too_long(string which, string what)
    {
        api.Always("[[hold]]");
        var bound = TimeSpan.FromSeconds(2);

        var run = await Run(which == "idle" ? new() { IdleTimeout = bound } : new() { TurnTimeout = bound });

        Assert.Equal(new ClaudeResult.Hung(what), run.Result);
    }

    [Fact]
    public async Task A_retry_of_the_api_is_a_word()
    {
        api.Always("[[http:529]]");

        // Five retries together take longer than the silence allowed, and each is heard.
        var run = await Run(new() { IdleTimeout = TimeSpan.FromSeconds(10) }, retries: 5);

        Assert.False(Assert.IsType<ClaudeResult.ApiUnavailable>(run.Result).GaveUpAtOnce);
    }

    async Task<ClaudeRun> Run(
        Profile? profile = null,
        Guid? session = null,
        bool resume = false,
        bool login = true,
        string? program = null,
        int retries = 0
    )
    {
        var environment = new ConcurrentDictionary<string, string>
        {
            ["CLAUDE_CONFIG_DIR"] = folder.File("config"),
            ["ANTHROPIC_BASE_URL"] = api.Url,
            ["ANTHROPIC_API_KEY"] = login ? "sk-test-0123456789" : "",
        };
        var options = Options.Create(
            new ClaudeOptions
            {
                Executable = program ?? RealClaude.Executable(version),
                MaxRetries = retries,
                Environment = environment,
                DropEnvironment = ["ANTHROPIC_*", "CLAUDE_*"],
            }
        );
        var reaper = new RlimitTags();
        var claude = new ClaudeCli(
            launcher,
            new(reaper, TimeProvider.System, NullLogger<RunReaper>.Instance),
            reaper,
            new(launcher, options, TimeProvider.System),
            options,
            TimeProvider.System,
            NullLogger<ClaudeCli>.Instance
        );

        return await claude.RunCommand(
            new(
                session ?? Guid.NewGuid(),
                resume,
                folder.File("work"),
                profile ?? new(),
                Guid.NewGuid(),
                MayRepeatMessage: false,
                "Something happened."
            ),
            warm: null,
            heard: _ => { },
            CancellationToken.None,
            CancellationToken.None
        );
    }

    static (string Kind, string Reaction) Told(ClaudeRun run) =>
        (run.Result.GetType().Name, ReactionWords.Of(run.Result));

    static string Environ(int process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/environ");
        }
        catch (IOException)
        {
            // It ended in this moment.
            return "";
        }
    }
}
