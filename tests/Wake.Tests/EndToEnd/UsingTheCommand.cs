using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Runtime.InteropServices;
using System.Text.Json;
using Wake.Contracts;
using Wake.Contracts.Http;
using Wake.Standalone;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

/// <summary>The <c>wake</c> command, from outside.</summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public sealed class UsingTheCommand(StandaloneSystem shared) : IClassFixture<StandaloneSystem>
{
    readonly WakeSystem wake = shared.System;

    Dictionary<string, string> Here => new(wake.Here) { ["CLAUDE_CONFIG_DIR"] = wake.ClaudeConfig };

    Task<CommandOutput> Wake(params string[] arguments) => WakeCommandLine.Run(Here, null, arguments);

    [Fact]
    public async Task Resume_wakes_a_session_and_waits_for_its_turn()
    {
        var key = await wake.Session();

        var said = await Wake("resume", "--session", key, "--reason", "PR #972 merged", "--wait");

        Assert.True(said.ExitCode == 0, said.Errors);
        Assert.Equal(["PR #972 merged"], (await wake.WaitForTurnEnd(key, 1)).Reasons);
    }

    [Theory]
    [InlineData("[[fake:max-turns]]", "limitReached")]
    [InlineData("[[fake:auth-error]]", "parked")]
    public async Task Resume_ends_by_the_outcome_of_the_turn(string behaviour, string word)
    {
        var said = await Wake("resume", "--session", await wake.Session(), "--reason", behaviour, "--wait");

        Assert.Equal(1, said.ExitCode);
        Assert.Contains(word, said.Errors);
    }

    [Fact]
    public async Task Resume_says_that_a_session_was_left_for_a_fresh_one_and_why()
    {
        var lost = Guid.NewGuid();
        var said = await Wake(
            "resume",
            "--session",
            await wake.Session(claudeSession: lost),
            "--reason",
            "PR #972 merged",
            "--wait"
        );
        Assert.True(said.ExitCode == 0, said.Errors);
        Assert.Contains(
            $"A fresh session was begun: the one before it could not be resumed. Claude session {lost} was left for ",
            said.Output
        );

        lost = Guid.NewGuid();
        var key = await wake.Session(claudeSession: lost);
        said = await Wake("resume", "--session", key, "--reason", "PR #972 merged", "--wait", "--output", "json");
        Says(JsonElement.Parse(said.Output));

        lost = Guid.NewGuid();
        key = await wake.Session(claudeSession: lost);
        using var ask = new HttpRequestMessage(HttpMethod.Post, $"/v1/sessions/{Uri.EscapeDataString(key)}/wake")
        {
            Content = JsonContent.Create(new { reason = "PR #972 merged" }),
        };
        ask.Headers.Add("Prefer", "wait=60");
        Says(await (await wake.Http.SendAsync(ask)).Content.ReadFromJsonAsync<JsonElement>());

        // Only the turn that left it says so.
        await wake.Wake(key, "once more");
        Assert.Null((await wake.WaitForTurnEnd(key, 2)).Fresh);

        void Says(JsonElement answer)
        {
            var fresh = answer.GetProperty("inboxEntries")[0].GetProperty("turn").GetProperty("fresh");
            Assert.Equal(
                (lost, "the one before it could not be resumed"),
                (fresh.GetProperty("left").GetGuid(), fresh.GetProperty("why").GetString())
            );
            Assert.NotEqual(lost, fresh.GetProperty("begun").GetGuid());
        }
    }

    [Fact]
    public async Task Resume_finds_a_session_it_does_not_know_among_the_local_transcripts()
    {
        var (id, workspace) = (Guid.NewGuid(), Directory.CreateTempSubdirectory("wake-workspace-").FullName);
        await RunFakeClaude(id, workspace, "The secret word is marzipan.");

        var said = await Wake("resume", "--session", id.ToString(), "--reason", "PR #972 merged", "--wait");

        Assert.True(said.ExitCode == 0, said.Errors);
        var session = await wake.Show(id.ToString());
        Assert.Equal((workspace, id), (session.Workspace, session.ClaudeSessionId));
        Assert.Equal(2, FakeTranscript.Of(wake, session).UserMessages.Count);
    }

    [Fact]
    public async Task Config_shows_what_the_running_Wake_uses_and_from_where()
    {
        var said = await Wake("config", "--changed", "--output", "json");

        Assert.True(said.ExitCode == 0, said.Errors);
        var settings = JsonSerializer.Deserialize<List<EffectiveSetting>>(said.Output, JsonSerializerOptions.Web)!;
        Assert.Contains(new("Runner__MaxAttempts", "3", "environment"), settings);
        Assert.Contains(settings, x => x is { Name: "Local__Spool", Source: "wake up" });
        Assert.DoesNotContain(settings, x => x.Name == "Runner__Backoff" && x.Source == "default");

        Assert.Contains("Runner__Slots", (await Wake("config")).Output);
    }

    [Fact]
    public async Task Config_shows_what_a_Wake_would_use_and_no_secret()
    {
        using var folder = new TemporaryFolder();
        await File.WriteAllTextAsync(
            folder.File("wake.json"),
            """{"Profiles": {"default": {"DayBudgetUsd": 5, "Repository": "https://me:hidden1@example.com/a.git"}}, "GitHub": {"WebhookSecrets": ["hidden2"]}}"""
        );
        var said = await WakeCommandLine.Run(
            new Dictionary<string, string>
            {
                ["WAKE_DATA"] = folder.Path,
                ["GitHub__Accounts__main__Token"] = "hidden3",
                ["Claude__Environment__ANTHROPIC_API_KEY"] = "hidden4",
                ["ConnectionStrings__Wake"] = "Host=localhost;Username=wake;Password=hidden5",
                ["Gateway__ApiKeys__0"] = "hidden6-hidden6-hidden6",
            },
            null,
            "config"
        );

        Assert.True(said.ExitCode == 0, said.Errors);
        Assert.Contains("does not run", said.Errors);
        Assert.DoesNotContain("hidden", said.Output);
        Assert.Matches($@"Profiles__default__DayBudgetUsd +5 +{folder.File("wake.json")}", said.Output);
        Assert.Matches(@"GitHub__Accounts__main__Token +\*+ +environment", said.Output);
        Assert.Matches(@"Runner__Slots +4 +default", said.Output);
        Assert.Matches(@"Host=localhost;Username=wake;Password=\*+ +environment", said.Output);
    }

    [Theory]
    [InlineData("""{"Runner": {"Slots": 3}}""", 0, "can be used")]
    [InlineData("""{"Breakers": {"All": {"UsdPerDay": 100}}}""", 0, "can be used")]
    [InlineData("""{"Runner": {"Slotz": 3}}""", 1, "Runner:Slotz is no setting of Wake's; Slots is.")]
    [InlineData("""{"Runner": {"StartPause": "0:0:1"}}""", 1, "Runner:StartPause is called StaggerStart now.")]
    [InlineData("""{"Runner": """, 1, "cannot be read")]
    [InlineData(null, 1, "cannot be read")]
    public async Task Config_check_says_what_is_wrong_in_a_file(string? text, int code, string sentence)
    {
        using var folder = new TemporaryFolder();
        if (text is not null)
            await File.WriteAllTextAsync(folder.File("wake.json"), text);

        var said = await WakeCommandLine.Run(
            new Dictionary<string, string>(),
            null,
            "config",
            "check",
            folder.File("wake.json")
        );

        Assert.Equal(code, said.ExitCode);
        Assert.Contains(sentence, said.Errors);
    }

    [Fact]
    public async Task Doctor_says_whether_the_console_finds_the_API_and_the_provider_of_accounts()
    {
        using var folder = new TemporaryFolder();
        await using var provider = await LoopbackOpenIdProvider.Start();
        var environment = new Dictionary<string, string>(provider.Settings)
        {
            ["WAKE_DATA"] = folder.Path,
            ["Console__GatewayUrl"] = $"{wake.Http.BaseAddress}",
            ["Console__OpenIdConnect__Roles__Viewer__Key"] = "wake_of_viewers",
        };

        var found = (await WakeCommandLine.Run(environment, null, "doctor")).Output;
        Assert.Contains($"finds the API at {wake.Http.BaseAddress}", found);
        Assert.Contains($"at {provider.Url}", found);

        environment["Console__GatewayUrl"] = "http://127.0.0.1:9";
        environment["Console__OpenIdConnect__Authority"] = $"{provider.Url}realms/of-another";
        var wrong = await WakeCommandLine.Run(environment, null, "doctor");
        Assert.Equal(1, wrong.ExitCode);
        Assert.Contains("Check Console__GatewayUrl.", wrong.Output);
        Assert.Contains("answers 404 to its discovery", wrong.Output);
    }

    [Theory]
    [InlineData("DayBudget", "Profiles:default:DayBudget is no setting of Wake's; DayBudgetUsd is.")]
    [InlineData("Ceiling", "Profiles:default:Ceiling is called MaxWait now.")]
    public async Task Doctor_says_which_setting_would_keep_Wake_from_starting(string setting, string sentence)
    {
        using var folder = new TemporaryFolder();
        await File.WriteAllTextAsync(
            folder.File("wake.json"),
            $$$$"""{"Profiles": {"default": {"{{{{setting}}}}": "5"}}}"""
        );

        var said = await WakeCommandLine.Run(
            new Dictionary<string, string> { ["WAKE_DATA"] = folder.Path },
            null,
            "doctor"
        );

        Assert.Equal(1, said.ExitCode);
        Assert.Contains(sentence, said.Output);
    }

    [Theory]
    [InlineData("wake.json", """{"GitHub": {"WebhookSecrets": ["of the forge"]}}""")]
    [InlineData("wake.json", """{"Profiles": {"p": {"Repository": "https://me:of-mine@example.com/a.git"}}}""")]
    [InlineData("secrets/Gateway__ApiKeys__0", "a key of sixteen characters")]
    [InlineData("config/wake/service.env", "# Settings.\nLANG=C\nANTHROPIC_API_KEY=sk-of-the-model\n")]
    [InlineData("config/wake/service.env", "ConnectionStrings__Wake=Host=db;Username=wake;Password=of-the-database\n")]
    [System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
    public async Task Doctor_tells_of_secrets_that_every_user_can_read(string name, string content)
    {
        using var folder = new TemporaryFolder();
        var (file, home) = (folder.File($"home/{name}"), folder.File("home"));
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        await File.WriteAllTextAsync(file, content);
        File.SetUnixFileMode(folder.Path, Readable | UnixFileMode.UserExecute | UnixFileMode.OtherExecute);

        File.SetUnixFileMode(file, Readable);
        Assert.Contains($"every user of this machine can read {file}\n", await Doctor());

        // Nobody else's, by its own mode or by that of a folder around it.
        File.SetUnixFileMode(file, ServiceDefaults.PrivateFile.Mode);
        Assert.DoesNotContain("can read", await Doctor());
        File.SetUnixFileMode(file, Readable);
        File.SetUnixFileMode(home, ServiceDefaults.PrivateDirectory.Mode);
        Assert.DoesNotContain("can read", await Doctor());

        // And what is no secret may be.
        File.SetUnixFileMode(home, Readable | UnixFileMode.UserExecute | UnixFileMode.OtherExecute);
        File.Delete(file);
        await File.WriteAllTextAsync(folder.File("home/wake.json"), """{"Runner": {"Slots": 5}}""");
        Assert.DoesNotContain("can read", await Doctor());

        async Task<string> Doctor() =>
            (
                await WakeCommandLine.Run(
                    new Dictionary<string, string>
                    {
                        ["WAKE_DATA"] = home,
                        ["WAKE_SECRETS"] = folder.File("home/secrets"),
                        ["XDG_CONFIG_HOME"] = folder.File("home/config"),
                    },
                    null,
                    "doctor"
                )
            ).Output;
    }

    const UnixFileMode Readable = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead;

    [Fact]
    public async Task Resume_of_a_session_nobody_knows_says_where_it_looked()
    {
        var said = await Wake("resume", "--session", Guid.NewGuid().ToString(), "--reason", "x");

        Assert.Equal(1, said.ExitCode);
        Assert.Contains(Path.Combine(wake.ClaudeConfig, "projects"), said.Errors);
        Assert.Empty(said.Output);
    }

    [Theory]
    [InlineData("-x")]
    [InlineData("--wait")]
    [InlineData("--help")]
    [InlineData("--")]
    [InlineData("@/etc/passwd")]
    [InlineData("line one\nline two\ttab")]
    [InlineData("'; rm -rf / #")]
    [InlineData("$(touch /tmp/wake-executed) `touch /tmp/wake-executed` ${HOME}")]
    [InlineData("[red]markup[/] {0} %s \\u001b[2J")]
    [InlineData("🚀 ü \u202e")]
    public async Task A_reason_is_any_text_and_only_text(string reason)
    {
        var key = await wake.Session();

        Assert.Equal(0, (await Wake("resume", "--session", key, "--reason", reason, "--wait")).ExitCode);
        Assert.Equal(0, (await Wake("resume", "--session", key, $"--reason={reason}", "--wait")).ExitCode);

        Assert.All(await wake.Turns(key), x => Assert.Equal([reason], x.Reasons));
        Assert.Equal(2, (await wake.Turns(key)).Count);
        Assert.False(File.Exists("/tmp/wake-executed"));
    }

    [Fact]
    public async Task Watch_publish_and_explain_tell_one_story()
    {
        var key = await wake.Session();
        var subject = $"story:{key}";

        Assert.Equal(
            0,
            (await Wake("watch", "--session", key, "--subject", subject, "--intent", "then deploy it")).ExitCode
        );
        var published = await Wake(
            "publish",
            "--subject",
            subject,
            "--type",
            "pr.merged",
            "--reason",
            "PR #972 merged",
            "--id",
            $"event of {key}",
            "--output",
            "json"
        );
        Assert.Equal("routed", JsonElement.Parse(published.Output).GetProperty("outcome").GetString());
        await wake.WaitForTurnEnd(key, 1);

        var explained = await Wake("explain", $"event of {key}");
        Assert.Equal(0, explained.ExitCode);
        Assert.Contains($"{key} received it in wake 1, which ended: completed.", explained.Output);
        Assert.Contains("dispatched", explained.Output);
        Assert.Contains("then deploy it", (await Wake("explain", "session", key)).Output);
    }

    [Fact]
    public async Task Inbox_tells_of_the_turns_that_its_person_has_not_seen_and_of_what_waits()
    {
        var key = await wake.WatchingSession();
        await wake.Wake(key, "CI failed on \u202e#972");
        await wake.WaitForTurnEnd(key, 1);
        await wake.Wake(key, "done in the terminal");
        await wake.WaitForTurnEnd(key, 2);
        await TakenInATerminal(key, 2);
        await wake.Wake(key, "[[fake:auth-error]]");
        await wake.WaitForState(key, SessionState.Parked);
        await wake.Post(
            WakeSystem.Event(WakeSystem.Subject(key), "the review is there"),
            WakeSystem.Event(WakeSystem.Subject(key), "somebody looked", Delivery.Ambient)
        );

        var said = await Wake("inbox", "--session", key);

        Assert.True(said.ExitCode == 0, said.Errors);
        var parts = said.Output.Split("\n\n").Select(x => x.Split('\n')).ToList();
        Assert.Equal(
            ["Turns without you, the newest first", "Starts the next turn", "Ambient: waits for the next turn"],
            parts.Skip(1).Select(x => x[0])
        );
        Assert.Contains(" 3     parked ", parts[1][2]);
        Assert.Contains("fake:auth-error", parts[1][2]);
        Assert.Contains(" 1     completed ", parts[1][3]);
        Assert.EndsWith("  CI failed on \\u202e#972", parts[1][3]);
        Assert.EndsWith("the review is there", parts[2][2]);
        Assert.EndsWith("somebody looked", parts[3][2]);
        Assert.DoesNotContain("done in the terminal", said.Output);

        Assert.Equal(
            await wake.Http.GetStringAsync($"/v1/explain/sessions/{Uri.EscapeDataString(key)}") + "\n",
            (await Wake("inbox", "--session", key, "--output", "json")).Output
        );
    }

    [Fact]
    public async Task Inbox_is_about_the_session_it_runs_in_else_about_all_that_have_something_to_show()
    {
        var (away, seen, quiet) = (await wake.Session(), await wake.Session(), await wake.Session());
        foreach (var key in (string[])[away, seen])
        {
            await wake.Wake(key, "PR #972 merged");
            await wake.WaitForTurnEnd(key, 1);
        }

        await TakenInATerminal(seen, 1);

        var all = await Wake("inbox", "--output", "json");
        var inside = await WakeCommandLine.Run(
            new Dictionary<string, string>(Here) { ["WAKE_SESSION"] = seen },
            null,
            "inbox"
        );

        var keys = JsonElement
            .Parse(all.Output)
            .EnumerateArray()
            .Select(x => x.GetProperty("session").GetProperty("key").GetString())
            .ToList();
        Assert.Contains(away, keys);
        Assert.DoesNotContain(seen, keys);
        Assert.DoesNotContain(quiet, keys);
        Assert.Contains($"{away}: Idle", (await Wake("inbox")).Output);
        Assert.Equal((0, "Nothing happened without you, and nothing waits.\n"), (inside.ExitCode, inside.Errors));
        Assert.Contains($"{seen}: Idle", inside.Output);
    }

    Task<int> TakenInATerminal(string key, int number) =>
        wake.Scalar<int>(
            """
            update turns set runner = 'terminal laptop'
             where wake_number = $2 and session_id = (select id from sessions where key = $1)
            returning wake_number
            """,
            key,
            number
        );

    [Fact]
    public async Task Output_json_is_exactly_what_the_api_says()
    {
        var key = await wake.Session();

        var said = await Wake("sessions", "show", key, "--output", "json");

        Assert.Equal(await wake.Http.GetStringAsync($"/v1/sessions/{Uri.EscapeDataString(key)}") + "\n", said.Output);
    }

    [Fact]
    public async Task Publish_takes_events_from_a_file_and_refuses_what_is_none()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(
            folder.File("good.json"),
            """[{"id":"f1","source":"s","type":"t","subject":"file:1","reason":"r"},{"id":"f2","source":"s","type":"t","subject":"file:2","reason":"r"}]"""
        );

        Assert.Equal(0, (await Wake("publish", "--file", folder.File("good.json"))).ExitCode);
        Assert.Equal(
            0,
            (
                await WakeCommandLine.Run(
                    Here,
                    """{"id":"f3","source":"s","type":"t","subject":"file:3","reason":"r"}""",
                    "publish",
                    "--file",
                    "-"
                )
            ).ExitCode
        );
        foreach (var bad in (string[])["", "{", "{}", "[1]", """{"id":"f4"}"""])
        {
            var said = await WakeCommandLine.Run(Here, bad, "publish", "--file", "-");
            Assert.Equal(1, said.ExitCode);
            Assert.NotEmpty(said.Errors);
        }

        Assert.Equal(3, await wake.Scalar<long>("select count(*) from events where subject like 'file:%'"));
    }

    [Theory]
    [InlineData("ID: 'x' is not an id like 01234567-89ab-cdef-0123-456789abcdef.", "unpause", "x")]
    [InlineData("QUESTION-ID: 'x' is not an id like 01234567-89ab-cdef-0123-456789abcdef.", "answer", "x", "--allow")]
    [InlineData("--after: 'x' is not an id like 01234567-89ab-cdef-0123-456789abcdef.", "watches", "--after", "x")]
    [InlineData("--on-end: 'x' is not one of keep, close.", "watch", "--pr", "o/r#1", "--on-end", "x")]
    [InlineData("--report: 'x' is not one of none, comment, status.", "watch", "--pr", "o/r#1", "--report", "x")]
    public async Task A_word_that_is_no_value_is_answered_with_what_one_is(string sentence, params string[] arguments)
    {
        var said = await Wake(arguments);

        Assert.Equal(2, said.ExitCode);
        Assert.StartsWith(sentence, said.Errors);
    }

    [Theory]
    [InlineData(2, "nonsense")]
    [InlineData(2, "resume")]
    [InlineData(2, "resume", "--session", "x")]
    [InlineData(2, "resume", "--session", "x", "--reason", "y", "--nonsense")]
    [InlineData(2, "publish", "--subject", "s", "--type", "t", "--reason", "r", "--delivery", "later")]
    [InlineData(2, "publish", "--subject", "s", "--type", "t", "--reason", "r", "--data", "{")]
    [InlineData(2, "up", "--port", "99999")]
    [InlineData(1, "resume", "--session", "x", "--reason", "")]
    [InlineData(1, "sessions", "show", "nobody")]
    [InlineData(1, "explain", "nothing")]
    [InlineData(1, "unwatch", "0198c2f0-0000-7000-8000-000000000001")]
    [InlineData(0, "--help")]
    [InlineData(0, "resume", "--help")]
    [InlineData(0, "sessions")]
    public async Task Exit_codes_are_0_1_and_2(int code, params string[] arguments)
    {
        var said = await Wake(arguments);

        Assert.Equal(code, said.ExitCode);
        Assert.True(code == 0 || said.Errors.Trim().Length > 0);
    }

    [Fact]
    public async Task When_nothing_runs_it_says_how_to_start_it()
    {
        using var folder = new TemporaryFolder();

        var said = await WakeCommandLine.Run(
            new Dictionary<string, string> { ["WAKE_DATA"] = folder.Path },
            null,
            "sessions"
        );

        Assert.Equal(1, said.ExitCode);
        Assert.Contains("wake up", said.Errors);
        Assert.Contains(folder.Path, said.Errors);
    }

    [Fact]
    public async Task A_wake_at_a_date_is_added_listed_and_called_off()
    {
        var key = await wake.Session();

        var added = await Wake(
            "schedule",
            "add",
            "--session",
            key,
            "--at",
            "7d",
            "--reason",
            "next [red]week[/]",
            "--output",
            "json"
        );
        var id = JsonElement.Parse(added.Output).GetProperty("id").GetString()!;
        Assert.Contains("next [red]week[/]", (await Wake("schedule", "--session", key)).Output);

        Assert.Equal(0, (await Wake("schedule", "cancel", "--session", key, id)).ExitCode);
        var again = await Wake("schedule", "cancel", "--session", key, id);
        Assert.Equal(1, again.ExitCode);
        Assert.Contains("has no wake", again.Errors);
        Assert.Contains("No wake is scheduled", (await Wake("schedule", "--session", key)).Errors);
    }

    [Fact]
    public async Task Tail_follows_what_happens()
    {
        var key = await wake.Session();
        using var tail = Process.Start(WakeCommandLine.Start(Here, "tail", "--output", "json"))!;

        // It says nothing until something happens, so something happens until it says so.
        var seen = Task.Run(async () =>
        {
            while (await tail.StandardOutput.ReadLineAsync() is { } line)
            {
                if (
                    line.Contains("ended", StringComparison.Ordinal)
                    && JsonElement.Parse(line).GetProperty("session").GetString() == key
                )
                    return line;
            }

            return null;
        });
        for (var number = 1; !seen.IsCompleted; number++)
        {
            await wake.Wake(key, $"{number}");
            await wake.WaitForTurnEnd(key, number);
            await Task.WhenAny(seen, Task.Delay(500));
        }

        Assert.NotNull(await seen);
        using (Process.Start("kill", ["-TERM", $"{tail.Id}"])) { }
        await tail.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(0, tail.ExitCode);
    }

    [Fact]
    public async Task Doctor_finds_what_is_there_and_says_what_to_do_about_the_rest()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File("spool/bad"));
        File.WriteAllText(folder.File("spool/bad/x.json.reason"), "nobody's");
        var healthy = new Dictionary<string, string>(Here)
        {
            ["Claude__Executable"] = WakeSystem.FakeClaude,
            ["ANTHROPIC_API_KEY"] = "sk-test-secret-0123456789",
            ["WAKE_DATA"] = folder.Path,
            ["WAKE_API_KEY"] = wake.Http.DefaultRequestHeaders.Authorization!.Parameter!,
        };
        var said = await WakeCommandLine.Run(healthy, null, "doctor", "--output", "json");
        Assert.True(said.ExitCode == 0, said.Output + said.Errors);
        Assert.DoesNotContain("sk-test-secret", said.Output);
        Assert.Contains("1 dropped files could not be taken in", said.Output);

        var without = new Dictionary<string, string>(healthy) { ["Claude__Executable"] = "/nowhere/claude" };
        said = await WakeCommandLine.Run(without, null, "doctor", "--output", "json");
        Assert.Equal(1, said.ExitCode);
        var missing = JsonElement
            .Parse(said.Output)
            .EnumerateArray()
            .Single(x => x.GetProperty("check").GetString() == "claude");
        Assert.False(missing.GetProperty("ok").GetBoolean());
        Assert.NotEmpty(missing.GetProperty("fix").GetString()!);
    }

    [Fact]
    [System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
    public async Task Up_serves_with_a_database_of_its_own_survives_a_kill_and_stops_cleanly()
    {
        using var folder = new TemporaryFolder();
        var environment = new Dictionary<string, string>
        {
            ["Claude__Executable"] = WakeSystem.FakeClaude,
            ["CLAUDE_CONFIG_DIR"] = wake.ClaudeConfig,
            ["WAKE_DATA"] = folder.File("data"),
            ["Profiles__default__QuietWindow"] = "00:00:05",
            ["Profiles__default__MaxWait"] = "00:00:05",
        };
        Directory.CreateDirectory(folder.File("work"));

        using var first = Process.Start(
            WakeCommandLine.Start(environment, "up", "--data", folder.File("data"), "--port", "0")
        )!;
        Assert.Matches(@"^ready http://127\.0\.0\.1:\d+$", await first.StandardOutput.ReadLineAsync());
        Assert.Equal(ServiceDefaults.PrivateFile.Mode, File.GetUnixFileMode(folder.File("data/postgres/password")));
        Assert.Equal(
            1,
            (await WakeCommandLine.Run(environment, null, "up", "--data", folder.File("data"), "--port", "0")).ExitCode
        );
        Assert.Equal(
            0,
            (
                await WakeCommandLine.Run(
                    environment,
                    null,
                    "sessions",
                    "add",
                    "mine",
                    "--workspace",
                    folder.File("work")
                )
            ).ExitCode
        );
        Assert.Equal(
            0,
            (await WakeCommandLine.Run(environment, null, "watch", "--session", "mine", "--subject", "s")).ExitCode
        );
        Assert.Equal(
            0,
            (
                await WakeCommandLine.Run(
                    environment,
                    null,
                    "publish",
                    "--subject",
                    "s",
                    "--type",
                    "t",
                    "--reason",
                    "before the crash"
                )
            ).ExitCode
        );
        first.Kill();
        await first.WaitForExitAsync();

        using var second = Process.Start(
            WakeCommandLine.Start(environment, "up", "--data", folder.File("data"), "--port", "0")
        )!;
        Assert.Matches(@"^ready http://127\.0\.0\.1:\d+$", await second.StandardOutput.ReadLineAsync());
        await Eventually.Holds(async () =>
            JsonElement.Parse(
                (await WakeCommandLine.Run(environment, null, "sessions", "show", "mine", "--output", "json")).Output
            )
                is var mine
            && mine.GetProperty("lastTurn") is { ValueKind: JsonValueKind.Object } turn
            && turn.GetProperty("outcome").GetString() == "completed"
            && turn.GetProperty("reasons")[0].GetString() == "before the crash"
        );

        var server = File.ReadLines(folder.File("data/postgres/data/postmaster.pid")).First();
        using (var kill = Process.Start("kill", ["-KILL", server]))
            await kill.WaitForExitAsync();
        // Other tests make this process the parent of orphans, and then nobody else collects it.
        _ = WaitFor(int.Parse(server, CultureInfo.InvariantCulture), 0, 0);
        await Eventually.Holds(
            async () =>
                (await WakeCommandLine.Run(environment, null, "sessions", "show", "mine")).ExitCode == 0
                && File.ReadLines(folder.File("data/postgres/data/postmaster.pid")).First() != server,
            "its PostgreSQL is started again"
        );
        Assert.False(second.HasExited);

        using (Process.Start("kill", ["-TERM", $"{second.Id}"])) { }
        await second.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(0, second.ExitCode);
        Assert.False(File.Exists(folder.File("data/postgres/data/postmaster.pid")), "its PostgreSQL still runs");
        Assert.False(File.Exists(folder.File("data/endpoint.json")));
    }

    [Fact]
    [System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
    public async Task Files_of_the_database_that_are_not_in_the_data_folder_are_told_of_until_they_are_deleted()
    {
        // Only root's PostgreSQL runs as somebody else, who cannot enter this folder.
        using var folder = new TemporaryFolder();
        File.SetUnixFileMode(folder.Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var data = folder.File("data");
        var environment = new Dictionary<string, string> { ["WAKE_DATA"] = data };

        var (first, started) = (await UpAndDown(environment), new DataFolder(data).ExternalDatabaseFolder);
        Assert.Equal(Environment.IsPrivilegedProcess, started is not null);
        Assert.Equal(Environment.IsPrivilegedProcess, first.Contains($"its files are in {started}"));
        Assert.Equal(started is not null, (await Doctor()).Contains($"in {started}: as root's"));

        Directory.Delete(data, recursive: true);
        Assert.Equal(started is not null, (await Doctor()).Contains($"Delete {started}"));
        Assert.Equal(started is not null, (await UpAndDown(environment)).Contains("Wake goes on with them"));

        new DataFolder(data).Delete();
        Assert.Null(new DataFolder(data).ExternalDatabaseFolder);
        Assert.DoesNotContain(data, string.Join(' ', DataFolder.OrphanedDatabases));

        async Task<string> Doctor() => (await WakeCommandLine.Run(environment, null, "doctor")).Output;
    }

    // What wake up says on standard error.
    static async Task<string> UpAndDown(Dictionary<string, string> environment)
    {
        using var up = Process.Start(WakeCommandLine.Start(environment, "up", "--port", "0"))!;
        var errors = up.StandardError.ReadToEndAsync();
        Assert.StartsWith("ready ", await up.StandardOutput.ReadLineAsync(), StringComparison.Ordinal);
        using (Process.Start("kill", ["-TERM", $"{up.Id}"])) { }
        await up.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
        return await errors;
    }

    [DllImport("libc", EntryPoint = "waitpid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern int WaitFor(int process, nint status, int options);

    async Task RunFakeClaude(Guid id, string workspace, string text)
    {
        var start = new ProcessStartInfo(
            WakeSystem.FakeClaude,
            [
                "-p",
                "--input-format",
                "stream-json",
                "--output-format",
                "stream-json",
                "--verbose",
                "--session-id",
                id.ToString(),
            ]
        )
        {
            WorkingDirectory = workspace,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        start.Environment["CLAUDE_CONFIG_DIR"] = wake.ClaudeConfig;
        using var process = Process.Start(start)!;
        await process.StandardInput.WriteLineAsync(
            JsonSerializer.Serialize(
                new
                {
                    type = "user",
                    message = new { role = "user", content = text },
                    uuid = Guid.NewGuid(),
                }
            )
        );
        process.StandardInput.Close();
        await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
    }
}
