using System.Net;
using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Text.Json;
using Microsoft.Playwright;
using Wake.Contracts;
using Wake.Contracts.Http;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Browsing;

public sealed class BrowsedSystem : IAsyncLifetime
{
    public WakeSystem System { get; private set; } = null!;

    public async Task InitializeAsync() =>
        System = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>
            {
                ["Profiles__asking__Permissions"] = "Ask",
                ["Profiles__thrifty__SessionBudgetUsd"] = "5",
                ["Webhooks__Hooks__codeberg__Sender"] = "Forgejo",
                ["Webhooks__Hooks__codeberg__Secrets__0"] = "key",
                ["Cron__leapyear__Expression"] = "0 0 12 29 2 ?",
                ["Cron__leapyear__Reason"] = "It is the 29th of February",
            }
        );

    public async Task DisposeAsync() => await System.DisposeAsync();

    /// <summary>A key of its API with these scopes.</summary>
    public async Task<string> CreateKey(params string[] scopes)
    {
        var made = await System.Http.PostAsJsonAsync("/v1/keys", new { name = "browser test", scopes });
        return (await made.Content.ReadFromJsonAsync<NewApiKey>())!.Key;
    }
}

/// <summary>What people do with the console, in a real browser.</summary>
[Trait("Starts", "processes")]
public sealed class UsingTheConsole(BrowsedSystem shared) : IClassFixture<BrowsedSystem>
{
    readonly WakeSystem wake = shared.System;

    [Fact]
    public async Task A_question_is_answered_on_a_phone()
    {
        var (key, question) = await Asks("ask Which colour?|Red|Blue");
        await using var browser = await ConsoleBrowser.OpenByCommand(wake, size: ConsoleBrowser.Phone);

        await browser.Sees("Which colour?");
        var card = browser.Page.Locator("article.question", new() { HasText = key });
        await browser.Pictures("needs-you-phone");
        Assert.Empty(await browser.Barriers());
        await card.GetByLabel("Blue").CheckAsync();
        await card.GetByRole(AriaRole.Button, new() { Name = "Answer", Exact = true }).ClickAsync();
        await browser.Sees($"Answered; {key} goes on.");

        await wake.WaitForTurnEnd(key, 1);
        var settled = (await wake.Http.GetFromJsonAsync<Question>($"/v1/questions/{question.Id}"))!;
        Assert.Equal(("Blue", "browser over the API"), (settled.Answers!["Which colour?"], settled.AnsweredBy));
        await card.WaitForAsync(new() { State = WaitForSelectorState.Detached });
        Assert.Empty(browser.Problems);

        // Nothing is wider than the phone.
        Assert.True(await browser.Page.EvaluateAsync<bool>("document.documentElement.scrollWidth <= 390"));
    }

    [Fact]
    public async Task What_is_open_changes_without_anybody_pressing_anything()
    {
        await using var browser = await ConsoleBrowser.OpenByCommand(wake);
        var (key, question) = await Asks("ask Which size?|S|L");
        var card = browser.Page.Locator("article.question", new() { HasText = key });

        await card.WaitForAsync();
        var answered = await wake.Http.PostAsJsonAsync(
            $"/v1/questions/{question.Id}/answer",
            new { answers = new Dictionary<string, string> { ["Which size?"] = "S" } }
        );
        Assert.True(answered.IsSuccessStatusCode);
        await card.WaitForAsync(new() { State = WaitForSelectorState.Detached });
    }

    [Fact]
    public async Task A_session_is_looked_at_and_told_something()
    {
        var key = await wake.WatchingSession("instant");
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "merged", reason: "PR #972 merged"));
        await wake.WaitForTurnEnd(key, 1);
        await using var browser = await ConsoleBrowser.OpenByCommand(wake, [key]);

        Assert.EndsWith($"/sessions/{Uri.EscapeDataString(key)}", browser.Page.Url);
        await browser.Sees("PR #972 merged");
        await browser.Pictures("session");
        Assert.Empty(await browser.Barriers());

        await browser.Page.GetByLabel("Say something").FillAsync("Look at the release notes");
        await browser.Presses("Wake it");
        await browser.Page.Locator("#turn-2", new() { HasText = "Look at the release notes" }).WaitForAsync();
        await wake.WaitForTurnEnd(key, 2);
        await browser.Page.Locator("#turn-2", new() { HasText = "completed" }).WaitForAsync();
        Assert.Empty(browser.Problems);
    }

    [Fact]
    public async Task A_call_is_shown_whole_and_allowed_or_denied_with_a_word()
    {
        using var folder = new TemporaryFolder();
        var (key, question) = await Asks($"needs-permission {folder.File("ran")}", "asking");
        await using var browser = await ConsoleBrowser.OpenByCommand(wake, [$"{question.Id}"]);

        Assert.EndsWith($"/questions/{question.Id}", browser.Page.Url);
        await browser.Sees(folder.File("ran"));
        Assert.Empty(await browser.Barriers());
        await browser.Page.GetByLabel("Why not").FillAsync("not on a Friday");
        await browser.Presses("Deny");

        await browser.Sees("denied");
        await wake.WaitForTurnEnd(key, 1);
        var settled = (await wake.Http.GetFromJsonAsync<Question>($"/v1/questions/{question.Id}"))!;
        Assert.Equal((false, "not on a Friday"), (settled.Decision!.Allow, settled.Decision.Message));
        Assert.False(File.Exists(folder.File("ran")));

        var (other, allowed) = await Asks($"needs-permission {folder.File("ran")}", "asking");
        await browser.Goes($"/questions/{allowed.Id}");
        await browser.Presses("Allow once");
        await browser.Sees("allowed");
        await wake.WaitForTurnEnd(other, 1);
        Assert.True(File.Exists(folder.File("ran")));
    }

    [Fact]
    public async Task A_parked_session_goes_on_at_the_press_of_a_button()
    {
        var key = await wake.WatchingSession("thrifty");
        await Publish(key, "merged [[fake:cost 5.12]]");
        await wake.WaitForTurnEnd(key, 1);
        await Publish(key, "deployed");
        await wake.WaitForState(key, SessionState.Parked);
        await using var browser = await ConsoleBrowser.OpenByCommand(wake);

        var card = browser.Page.Locator("article", new() { HasText = key });
        await card.GetByText("budget of $5.00 is used up").WaitForAsync();
        await card.GetByRole(AriaRole.Button, new() { Name = "Go on" }).ClickAsync();

        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 2)).Outcome);
    }

    [Fact]
    public async Task What_a_payload_says_is_text_wherever_it_is_shown()
    {
        const string Hostile =
            "<img src=x onerror=\"alert('in')\"><script>alert('in')</script><b data-in>{{7*7}}</b>"
            + "</pre></span>javascript:alert('in')";
        var key = await wake.Session("instant", key: $"hostile@{Hostile}");
        await wake.Http.PostAsJsonAsync(
            "/v1/pauses",
            new
            {
                scope = "subject",
                name = $"nothing:{Hostile}",
                reason = Hostile,
            }
        );
        await wake.Watch(key, $"{Hostile}:subject", intent: Hostile);
        var (asking, _) = await Asks($"ask {Hostile.Replace("|", "")}|{Hostile}|Blue");
        await wake.Publish(
            WakeSystem.Event($"{Hostile}:subject", Hostile, reason: Hostile, id: Hostile) with
            {
                Source = "test:<b data-in>",
                Type = "test.<b data-in>",
                Actor = Hostile,
                Related = [Hostile],
                DedupKey = Hostile,
                Data = JsonSerializer.SerializeToElement(new Dictionary<string, object> { [Hostile] = Hostile }),
            }
        );
        await wake.WaitForTurnEnd(key, 1);
        await using var browser = await ConsoleBrowser.OpenByCommand(wake);

        foreach (
            var path in (string[])
                [
                    "/",
                    "/sessions",
                    "/events",
                    $"/sessions/{Uri.EscapeDataString(key)}",
                    $"/sessions/{Uri.EscapeDataString(asking)}",
                    $"/events/{Uri.EscapeDataString(Hostile)}",
                    $"/turns/1/{Uri.EscapeDataString(key)}",
                    "/routing",
                    "/activity",
                    $"/sessions?text={Uri.EscapeDataString(Hostile)}",
                    $"/events?text={Uri.EscapeDataString(Hostile)}",
                ]
        )
        {
            await browser.Goes(path);
            await browser.Sees("onerror=");
            Assert.Equal(0, await browser.Page.Locator("[data-in], img, main script").CountAsync());
            Assert.Empty(browser.Problems);
        }

        await browser.Page.Keyboard.PressAsync("Control+k");
        await browser.Page.Locator(".palette input").FillAsync("hostile@");
        await browser.Page.Locator(".palette li", new() { HasText = "onerror=" }).First.WaitForAsync();
        Assert.Equal(0, await browser.Page.Locator("[data-in], img").CountAsync());
        Assert.Empty(browser.Problems);
    }

    [Fact]
    public async Task A_key_that_may_only_read_is_offered_nothing_else_and_refused_it()
    {
        var key = await wake.WatchingSession("instant");
        var (_, question) = await Asks("ask Which day?|Monday|Friday");
        var secret = await CreateKey("sessions:read");
        await using var browser = await ConsoleBrowser.Open(wake.Http.BaseAddress!);
        await browser.Page.GotoAsync($"/sessions/{Uri.EscapeDataString(key)}");

        // It comes back to where somebody wanted to go.
        Assert.Contains("/login?to=", browser.Page.Url);
        Assert.Empty(await browser.Barriers());
        await browser.Page.GetByLabel("API key").FillAsync("wake_of_somebody_else");
        await browser.Presses("Log in");
        await browser.Sees("The key is invalid or has expired.");
        await browser.Page.GetByLabel("API key").FillAsync(secret);
        await browser.Presses("Log in");
        await browser.SeesHeading();
        await browser.Sees("Timeline");

        Assert.Equal(0, await browser.Page.GetByLabel("Say something").CountAsync());
        Assert.All(
            await browser.Page.Context.CookiesAsync(),
            x =>
            {
                Assert.Equal((true, SameSiteAttribute.Strict), (x.HttpOnly, x.SameSite));
                Assert.DoesNotContain(secret, x.Value);
            }
        );
        Assert.DoesNotContain(secret, await browser.Page.ContentAsync());

        await browser.Goes($"/questions/{question.Id}");
        await browser.Sees("Which day?");
        Assert.Equal(0, await browser.Page.GetByRole(AriaRole.Button, new() { Name = "Answer" }).CountAsync());

        await browser.Presses("Sign out");
        await browser.Page.GetByLabel("API key").WaitForAsync();
        await browser.Page.GotoAsync("/sessions");
        Assert.Contains("/login?to=", browser.Page.Url);
    }

    [Fact]
    public async Task A_key_that_may_no_longer_do_what_a_page_still_offers_is_refused_by_the_gateway()
    {
        var key = await wake.WatchingSession("instant");
        var secret = await CreateKey("sessions:read", "sessions:write");
        await using var browser = await LoggedIn(secret);
        await browser.Goes($"/sessions/{Uri.EscapeDataString(key)}");
        await browser.Page.GetByLabel("Say something").FillAsync("Hello");

        await wake.Execute("update api_keys set scopes = '{sessions:read}' where name = $1", "browser test");
        // The gateway looks at its keys every few seconds.
        await Eventually.Holds(async () => await MayWake(secret) == HttpStatusCode.Forbidden);
        await browser.Presses("Wake it");

        await browser.Page.Locator(".toast.bad", new() { HasText = "sessions:write" }).WaitForAsync();
        Assert.Empty(await wake.Turns(key));
        Assert.Empty(browser.Problems);
    }

    [Fact]
    public async Task Why_a_session_did_not_wake_is_found_from_the_list_of_sessions()
    {
        var key = await wake.Session("instant");
        await wake.Watch(key, $"subject-of:{key}", types: ["test.finished"]);
        await wake.Publish(WakeSystem.Event($"subject-of:{key}", "of another type", id: $"unheard {key}"));
        await using var browser = await ConsoleBrowser.OpenByCommand(wake);

        // Nobody watches: from the session to the events of what it watches.
        await browser.Goes("/sessions");
        await browser.Page.GetByLabel("Search").FillAsync(key);
        await browser.Presses("Show");
        await browser.Page.WaitForURLAsync(x => x.Contains("text="));
        await browser.Page.GetByRole(AriaRole.Link, new() { Name = key, Exact = true }).ClickAsync();
        await browser.Page.GetByRole(AriaRole.Link, new() { Name = $"Events of subject-of:{key}" }).ClickAsync();
        await browser.Page.Locator("tr", new() { HasText = "nobody watches" }).WaitForAsync();
        await browser.Page.GetByRole(AriaRole.Link, new() { Name = "of another type" }).ClickAsync();
        await browser.Sees($"Nothing woke: nobody watched subject-of:{key}.");
        Assert.Empty(await browser.Barriers());

        // A pause: what waits, and for what.
        await wake.Watch(key, $"held:{key}");
        await wake.Http.PostAsJsonAsync("/v1/pauses", new NewPause(PauseScope.Session, key, Reason: "on holiday"));
        await wake.Publish(WakeSystem.Event($"held:{key}", "held back", id: $"held {key}"));
        await browser.Goes($"/sessions/{Uri.EscapeDataString(key)}");
        await browser.Page.GetByRole(AriaRole.Link, new() { Name = "held back" }).ClickAsync();
        await browser.Page.Locator(".lead", new() { HasText = "on holiday" }).WaitForAsync();

        // A duplicate: the same fact woke it before.
        var again = WakeSystem.Event($"held:{key}", "held back", id: $"held again {key}");
        await wake.Publish(again with { Source = "test:another" });
        await browser.Goes($"/events/{Uri.EscapeDataString(again.Id)}");
        await browser.Page.Locator("#duplicates").WaitForAsync();
        await browser.Sees("seen by test:another");
        Assert.Empty(await wake.Turns(key));
        Assert.Empty(browser.Problems);
    }

    [Fact]
    public async Task A_hundred_sessions_are_closed_by_a_filter_after_their_number_is_said()
    {
        var name = $"many-{Guid.NewGuid():N}";
        for (var i = 0; i < 101; i++)
            await wake.Session("instant", key: $"{name}-{i:000}");
        await using var browser = await ConsoleBrowser.OpenByCommand(wake);
        await browser.Goes($"/sessions?text={name}");

        await browser.Presses("Close…");
        await browser.Sees("101 sessions. They take no more turns");
        await browser.Presses("Cancel");
        await browser.Presses("Close…");
        await browser.Sees("101 sessions. They take no more turns");
        Assert.Empty(await browser.Barriers());
        await browser.Pictures("sessions-batch");

        // Another number by now: nothing is done.
        await wake.Http.DeleteAsync($"/v1/sessions/{name}-000");
        await browser.Presses("Close 101 sessions");
        await browser.Sees("It would be 100 sessions and not 101, so nothing was done.");
        Assert.Equal(100, await Open());

        await browser.Presses("Close…");
        await browser.Presses("Close 100 sessions");
        await browser.Sees("Closed: 100 sessions.");
        await browser.Sees("No session is like that.");
        Assert.Equal(0, await Open());
        Assert.Equal(
            100L,
            await wake.Scalar<long>(
                "select count(*) from decisions d join sessions s on s.id = d.session_id where d.kind = 'closed' and "
                    + "s.key like $1 and s.key not like '%-000' and d.note like '%browser over the API%'",
                $"{name}%"
            )
        );
        Assert.Empty(browser.Problems);

        async Task<int> Open() =>
            (await wake.Http.GetFromJsonAsync<List<Session>>($"/v1/sessions?limit=1000&text={name}"))!.Count;
    }

    [Fact]
    public async Task Those_that_are_picked_are_paused_and_woken_and_no_others()
    {
        var name = $"picked-{Guid.NewGuid():N}";
        foreach (var each in (string[])["a", "b", "c"])
            await wake.Session("instant", key: $"{name}-{each}");
        await using var browser = await ConsoleBrowser.OpenByCommand(wake);
        await browser.Goes($"/sessions?text={name}");

        await browser.Page.GetByLabel("Pick all that are shown").CheckAsync();
        await browser.Sees("The 3 picked");
        await browser.Page.GetByLabel($"Pick {name}-b").UncheckAsync();
        await browser.Page.GetByLabel("Reason", new() { Exact = true }).FillAsync("all of you");
        await browser.Presses("Wake…");
        await browser.Sees("2 sessions. Each takes a turn now, for this reason: all of you");
        await browser.Presses("Wake 2 sessions");
        await browser.Sees("Woken: 2 sessions.");
        foreach (var each in (string[])["a", "c"])
            Assert.Equal("all of you", Assert.Single((await Woken($"{name}-{each}")).Reasons));

        await browser.Presses("Pause…");
        await browser.Presses("Pause 2 sessions");
        await browser.Sees("Paused: 2 sessions.");
        Assert.NotNull((await wake.Show($"{name}-a")).Paused);
        Assert.Null((await wake.Show($"{name}-b")).Paused);
        Assert.Empty(await wake.Turns($"{name}-b"));

        // Who asked for a wake is told of it.
        await browser.Goes("/activity");
        await browser
            .Page.Locator(".ledger li", new() { HasText = $"{name}-c" })
            .GetByText("all of you, by browser over the API", new() { Exact = true })
            .First.WaitForAsync();
        Assert.Empty(browser.Problems);

        Task<Turn> Woken(string key) => wake.WaitForTurnEnd(key, 1);
    }

    [Fact]
    public async Task A_key_that_is_revoked_ends_what_was_logged_in_by_it()
    {
        var secret = await CreateKey("sessions:read", "sessions:write");
        var key = await wake.WatchingSession("instant");
        await using var browser = await LoggedIn(secret);
        await browser.Goes($"/sessions/{Uri.EscapeDataString(key)}");

        await RevokeKey(secret);
        await Eventually.Holds(async () =>
        {
            try
            {
                await browser.Page.ReloadAsync();
            }
            catch (PlaywrightException)
            {
                // The page has gone there by itself meanwhile.
            }

            return browser.Page.Url.Contains("/login");
        });
    }

    [Fact]
    public async Task Everything_can_be_done_by_keys_alone()
    {
        var key = await wake.WatchingSession("instant");
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "merged", reason: "by keys alone"));
        await wake.WaitForTurnEnd(key, 1);
        await using var browser = await ConsoleBrowser.OpenByCommand(wake);
        var keys = browser.Page.Keyboard;

        await keys.PressAsync("Control+k");
        await browser.Page.Locator(".palette input").WaitForAsync();
        Assert.Empty(await browser.Barriers());
        await keys.TypeAsync("Events");
        await browser.Page.Locator(".palette [aria-selected=true]", new() { HasText = "Events" }).WaitForAsync();
        await keys.PressAsync("Enter");
        await browser.Page.WaitForURLAsync(x => x.EndsWith("/events"));

        await browser.Page.Locator("[data-search]").WaitForAsync();
        await keys.PressAsync("/");
        await keys.TypeAsync("by keys alone");
        await keys.PressAsync("Enter");
        await browser.Page.WaitForURLAsync(x => x.Contains("text="));
        var row = browser.Page.Locator("[data-row]", new() { HasText = "by keys alone" });
        await row.WaitForAsync();
        // The list may be drawn anew between the two keys, by what else happens.
        await Eventually.Holds(async () =>
        {
            await browser.Page.EvaluateAsync("document.activeElement.blur()");
            await keys.PressAsync("j");
            await keys.PressAsync("Enter");
            try
            {
                await browser.Page.WaitForURLAsync(x => x.Contains("/events/"), new() { Timeout = 5_000 });
                return true;
            }
            catch (TimeoutException)
            {
                return false;
            }
        });
        await browser.Sees("Decisions");

        await keys.PressAsync("Control+k");
        await browser.Page.Locator(".palette input").WaitForAsync();
        await keys.PressAsync("Escape");
        await browser.Page.Locator(".palette").WaitForAsync(new() { State = WaitForSelectorState.Detached });
    }

    [Fact]
    public async Task An_event_is_changed_and_replayed_after_a_look_at_who_would_wake()
    {
        var (first, second) = (await wake.WatchingSession("instant"), await wake.WatchingSession("instant"));
        var id = $"to be edited {first}";
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(first), "failed", id: id));
        await wake.WaitForTurnEnd(first, 1);
        await using var browser = await ConsoleBrowser.OpenByCommand(wake, [id]);

        await browser.Page.GetByText("Change and replay").ClickAsync();
        await browser.Page.GetByLabel("Subject").FillAsync(WakeSystem.Subject(second));
        await browser.Page.GetByLabel("Reason").FillAsync("as it should have been");
        await browser.Page.GetByLabel("Data, as JSON").FillAsync("{ no JSON");
        await browser.Presses("Who would wake?");
        await browser.Sees("The data is no JSON.");
        await browser.Page.GetByLabel("Data, as JSON").FillAsync("{\"edited\": true}");
        await browser.Presses("Who would wake?");
        await browser.Page.Locator("[role=status] a", new() { HasText = second }).WaitForAsync();
        Assert.Empty(await wake.Turns(second));
        Assert.Empty(await browser.Barriers());

        await browser.Presses("Replay it so");
        await browser.Sees("It is published once more, as it was changed.");

        await wake.WaitForTurnEnd(second, 1);
        Assert.Equal(["as it should have been"], (await wake.Turns(second))[0].Reasons);
        Assert.Single(await wake.Turns(first));
        Assert.Empty(browser.Problems);
    }

    [Fact]
    public async Task A_turn_that_runs_is_followed_to_its_end()
    {
        using var hold = new HoldFile();
        var key = await wake.Session("instant");
        await wake.Wake(key, $"look [[fake:tool]][[fake:hold {hold.Path}]][[fake:say It is done now]]");
        await hold.Reached();
        await using var browser = await ConsoleBrowser.OpenByCommand(wake, [key]);

        await browser.Page.GetByLabel("What was said in turn 1").ClickAsync();
        await browser.Page.Locator(".transcript .result").First.WaitForAsync();
        Assert.Equal(0, await browser.Page.GetByText("It is done now", new() { Exact = true }).CountAsync());
        hold.Release();
        await browser.Page.GetByText("It is done now", new() { Exact = true }).WaitForAsync();
        await browser.Sees("completed");
        await browser.Pictures("turn");
        Assert.Empty(browser.Problems);
    }

    [Fact]
    public async Task Who_signs_out_in_one_tab_follows_nothing_in_another()
    {
        using var hold = new HoldFile();
        var key = await wake.Session("instant");
        await wake.Wake(key, $"look [[fake:tool]][[fake:hold {hold.Path}]][[fake:say After the log-out]]");
        await hold.Reached();
        var secret = await CreateKey("sessions:read", "transcripts:read");
        await using var browser = await LoggedIn(secret);
        await browser.Goes($"/turns/1/{Uri.EscapeDataString(key)}");
        await browser.Page.Locator(".transcript .result").First.WaitForAsync();

        var other = await browser.Page.Context.NewPageAsync();
        await other.GotoAsync("/sessions");
        await other.GetByRole(AriaRole.Button, new() { Name = "Sign out" }).ClickAsync();
        await other.GetByLabel("API key").WaitForAsync();

        await browser.Page.WaitForURLAsync(x => x.Contains("/login"));
        hold.Release();
    }

    [Fact]
    public async Task A_runner_is_drained_and_takes_turns_again()
    {
        await using var browser = await ConsoleBrowser.OpenByCommand(wake);
        await browser.Goes("/runners");
        var row = browser.Page.Locator("tbody tr").First;
        await row.GetByText("MB").WaitForAsync();
        var name = (await wake.Http.GetFromJsonAsync<List<RunnerSummary>>("/v1/runners"))![0].Name;
        await Eventually.Holds(async () => (await Runner()).ClaudeVersion is not null);

        await row.GetByRole(AriaRole.Button, new() { Name = $"Drain {name}" }).ClickAsync();
        await row.GetByText("drained").WaitForAsync();
        Assert.Empty(await browser.Barriers());
        // The runner hears of it within seconds; a turn that it has begun by then it ends.
        await Eventually.Holds(async () =>
            (await wake.Scalar<long>("select count(*) from turns where ended_at is null and lease_until > now()")) == 0
        );
        await Eventually.Holds(() => Task.FromResult(wake.Processes.Any(x => x.Log.Contains("it begins no turn"))));
        var key = await wake.Session("instant");
        await wake.Wake(key, "wait for it");
        await wake.WaitForState(key, SessionState.Dispatched);

        var ended = await WakeCommandLine.Run(wake.Here, null, "runners", "drain", name, "--end");
        Assert.True(ended.ExitCode == 0, ended.Errors);
        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);
        await browser.Goes("/activity");
        await browser.Sees($"the runner {name}, by browser over the API");
        var unknown = await WakeCommandLine.Run(wake.Here, null, "runners", "drain", "nobody");
        Assert.Contains("There is no runner nobody", unknown.Errors);
        Assert.Empty(browser.Problems);

        async Task<RunnerSummary> Runner() =>
            (await wake.Http.GetFromJsonAsync<List<RunnerSummary>>("/v1/runners"))!.Single(x => x.Name == name);
    }

    [Fact]
    public async Task What_was_paid_is_shown_by_day_by_profile_and_by_session()
    {
        var key = await wake.WatchingSession("thrifty");
        await Publish(key, "merged [[fake:cost 4.75]]");
        await wake.WaitForTurnEnd(key, 1);
        await using var browser = await ConsoleBrowser.OpenByCommand(wake);
        await browser.Goes("/costs");

        await browser
            .Page.GetByRole(AriaRole.Img, new() { NameRegex = new("Cost by day, from .* to ") })
            .WaitForAsync();
        await browser.Page.Locator(".bars li", new() { HasText = key }).GetByText("$4.75").First.WaitForAsync();
        var profile = browser.Page.Locator(".bars li", new() { HasText = "thrifty" }).First;
        Assert.Matches(@"\$\d", await profile.InnerTextAsync());
        await profile.GetByRole(AriaRole.Link).ClickAsync();
        await browser.Page.WaitForURLAsync(x => x.EndsWith("/sessions?profile=thrifty"));
        await browser.Page.GetByRole(AriaRole.Link, new() { Name = key, Exact = true }).WaitForAsync();
        Assert.Empty(browser.Problems);
    }

    [Fact]
    public async Task What_a_webhook_refused_is_shown_with_the_reason_and_schedules_with_their_next_time()
    {
        using var delivery = new HttpRequestMessage(HttpMethod.Post, "/hooks/codeberg")
        {
            Content = JsonContent.Create(new { action = "opened" }),
            Headers = { { "X-Forgejo-Event", "issues" }, { "X-Forgejo-Signature", new string('0', 64) } },
        };
        Assert.Equal(HttpStatusCode.Unauthorized, (await wake.Http.SendAsync(delivery)).StatusCode);
        await Eventually.Holds(async () => (await Reports()).Webhooks is [{ Rejections.Count: 1 }]);
        await using var browser = await ConsoleBrowser.OpenByCommand(wake);
        await browser.Goes("/sources");

        var hook = browser.Page.Locator("article", new() { HasText = "codeberg" });
        await hook.GetByText("401").WaitForAsync();
        await hook.GetByText("never").WaitForAsync();
        var schedule = browser.Page.Locator("tr", new() { HasText = "leapyear" });
        await schedule.Locator("td[data-label=Next] time").WaitForAsync();
        Assert.Equal(0, await schedule.Locator("td[data-label='Last missed'] time").CountAsync());
        Assert.Empty(await browser.Barriers());
        Assert.Empty(browser.Problems);

        async Task<SourceReports> Reports() =>
            (await wake.Http.GetFromJsonAsync<SourceReports>("/v1/sources/reports"))!;
    }

    [Fact]
    public async Task A_payload_is_tried_out_against_the_watches_and_nothing_comes_of_it()
    {
        var key = await wake.WatchingSession("instant");
        await using var browser = await ConsoleBrowser.OpenByCommand(wake);
        await browser.Goes("/routing");

        await browser.Page.GetByLabel("An event, as JSON").FillAsync("{}");
        await browser.Presses("Try it");
        await browser.Page.GetByRole(AriaRole.Alert).First.WaitForAsync();
        await browser
            .Page.GetByLabel("An event, as JSON")
            .FillAsync($$"""{"id":"t","source":"s","type":"t","reason":"r","subject":"{{WakeSystem.Subject(key)}}"}""");
        await browser.Presses("Try it");
        await browser.Page.Locator("[role=status]", new() { HasText = key }).WaitForAsync();

        Assert.Empty(await wake.Turns(key));

        // What matches in earnest is counted.
        await Publish(key, "counted");
        await wake.WaitForTurnEnd(key, 1);
        await browser.Goes("/routing");
        var row = browser.Page.Locator("tr", new() { HasText = WakeSystem.Subject(key) });
        await row.Locator("td[data-label=Matches]", new() { HasText = "1" }).WaitForAsync();
        await row.Locator("td[data-label=Last] time").WaitForAsync();
        Assert.Empty(browser.Problems);
    }

    [Fact]
    public async Task What_was_done_is_told_with_who_did_it_and_the_store_is_checked()
    {
        var key = await wake.Session("instant");
        await wake.Http.DeleteAsync($"/v1/sessions/{Uri.EscapeDataString(key)}");
        await using var browser = await ConsoleBrowser.OpenByCommand(wake);
        await browser.Goes("/activity");

        await browser.Page.Locator(".ledger li", new() { HasText = key }).First.WaitForAsync();
        await browser.Sees("over the API");
        await browser.Presses("Check the store");
        await browser.Page.Locator("[role=status]", new() { HasText = "rules" }).WaitForAsync();
        Assert.Empty(browser.Problems);
    }

    [Theory]
    [InlineData(ColorScheme.Light)]
    [InlineData(ColorScheme.Dark)]
    public async Task Every_view_can_be_used_by_everybody_by_day_and_by_night(ColorScheme colours)
    {
        var key = await wake.WatchingSession("instant");
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "merged", id: $"seen-{colours}"));
        await wake.WaitForTurnEnd(key, 1);
        await Asks("ask Which one?|This|That");
        await using var browser = await ConsoleBrowser.OpenByCommand(wake, colours: colours);

        foreach (
            var (name, path) in ((string, string)[])
                [
                    ("needs-you", "/"),
                    ("sessions", "/sessions"),
                    ("session", $"/sessions/{Uri.EscapeDataString(key)}"),
                    ("no-session", "/sessions/nobody"),
                    ("events", "/events"),
                    ("no-events", "/events?text=nowhere-to-be-found"),
                    ("event", $"/events/seen-{colours}"),
                    ("turn", $"/turns/1/{Uri.EscapeDataString(key)}"),
                    ("routing", "/routing"),
                    ("sources", "/sources"),
                    ("runners", "/runners"),
                    ("costs", "/costs"),
                    ("activity", "/activity"),
                    ("sessions-filtered", $"/sessions?text={Uri.EscapeDataString(key)}"),
                    ("not-found", "/not-found"),
                ]
        )
        {
            await browser.Goes(path);
            await browser
                .Page.Locator("main .empty, main article, main table, main section, main p")
                .First.WaitForAsync();
            await browser.Pictures($"{name}-{colours}".ToLowerInvariant());
            Assert.Empty((await browser.Barriers()).Select(x => $"{path} {x}"));
        }

        Assert.Empty(browser.Problems);
    }

    [Fact]
    public async Task Colours_are_the_systems_until_somebody_chooses()
    {
        await using var browser = await ConsoleBrowser.OpenByCommand(wake, colours: ColorScheme.Dark);
        var dark = await Ground();

        // System, then light, then dark.
        await browser.Page.GetByLabel("Colours: system").ClickAsync();
        await browser.Page.GetByLabel("Colours: light").WaitForAsync();
        var light = await Ground();
        Assert.NotEqual(dark, light);
        await browser.Goes("/sessions");
        Assert.Equal(light, await Ground());
        await browser.Page.GetByLabel("Colours: light").ClickAsync();
        await browser.Page.GetByLabel("Colours: dark").WaitForAsync();
        Assert.Equal(dark, await Ground());

        Task<string> Ground() => browser.Page.EvaluateAsync<string>("getComputedStyle(document.body).backgroundColor");
    }

    [Fact]
    public async Task A_tab_that_nobody_sees_is_left_alone_and_then_shows_all()
    {
        await using var browser = await ConsoleBrowser.OpenByCommand(wake);
        await browser.Goes("/events?type=hidden.happened");
        await browser.Sees("No event is like that.");
        await Visible(false);
        await Post("before", 1);
        await using var other = await ConsoleBrowser.OpenByCommand(wake);
        await other.Goes("/events?type=hidden.happened");
        await other.Sees("before-0");
        await Post("after", 1);
        await other.Sees("after-0");

        Assert.Equal(0, await browser.Page.GetByText("before-0").CountAsync());
        await Visible(true);
        await browser.Sees("before-0");
        await browser.Sees("after-0");

        Task Visible(bool visible) =>
            browser.Page.EvaluateAsync(
                "Object.defineProperty(document, 'hidden', "
                    + $"{{ configurable: true, value: {(visible ? "false" : "true")} }});"
                    + "document.dispatchEvent(new Event('visibilitychange'))"
            );

        Task Post(string name, int count) => PostEvents("hidden.happened", name, count);
    }

    [Fact]
    public async Task Ten_thousand_events_at_once_do_not_freeze_a_page()
    {
        await using var browser = await ConsoleBrowser.OpenByCommand(wake);
        await browser.Goes("/events?type=burst.happened");
        await browser.Sees("No event is like that.");

        for (var batch = 0; batch < 10; batch++)
            await PostEvents("burst.happened", $"burst-{batch}", 1000);
        await browser.Sees("burst-9-999");

        // It answers a key while they are still told.
        await browser.Page.Keyboard.PressAsync("Control+k");
        await browser.Page.Locator(".palette input").WaitForAsync(new() { Timeout = 5_000 });
        Assert.Equal(50, await browser.Page.Locator("tbody tr").CountAsync());
        Assert.Empty(browser.Problems);
    }

    [Fact]
    public async Task A_console_by_itself_works_under_a_prefix()
    {
        var key = await wake.WatchingSession("instant");
        var secret = await CreateKey("sessions:read", "sessions:write");
        var console = await wake.StartProcess(
            "Wake.Console",
            new Dictionary<string, string>
            {
                ["Console__GatewayUrl"] = $"{wake.Http.BaseAddress}",
                ["Console__PathBase"] = "/wake",
            }
        );
        await using var browser = await ConsoleBrowser.Open(console.Url);

        await browser.Page.GotoAsync($"/wake/sessions/{Uri.EscapeDataString(key)}");
        await browser.Page.GetByLabel("API key").FillAsync(secret);
        await browser.Presses("Log in");
        await browser.Page.GetByLabel("Say something").FillAsync("Hello from afar");
        await browser.Presses("Wake it");
        await browser.Page.Locator("#turn-1", new() { HasText = "Hello from afar" }).WaitForAsync();
        Assert.EndsWith($"/wake/sessions/{key}", Uri.UnescapeDataString(browser.Page.Url));
        await browser.Page.GetByRole(AriaRole.Link, new() { Name = "Events", Exact = true }).ClickAsync();
        await browser.Page.WaitForURLAsync(x => x.EndsWith("/wake/events"));
        Assert.Empty(browser.Problems);

        // The wake of this machine's browsers is none of its business, and nothing is served above the prefix.
        using var http = new HttpClient { BaseAddress = console.Url };
        Assert.Equal(HttpStatusCode.NotFound, (await http.GetAsync("/sessions")).StatusCode);
        Assert.DoesNotContain("wake open", await http.GetStringAsync("/wake/login"));
        await console.Stop();
    }

    [Fact]
    public async Task One_browser_more_than_may_be_is_told_so_however_it_comes_and_has_the_next_place()
    {
        var secret = await CreateKey("sessions:read");
        var console = await wake.StartProcess(
            "Wake.Console",
            new Dictionary<string, string>
            {
                ["Console__GatewayUrl"] = $"{wake.Http.BaseAddress}",
                ["Console__MaxBrowsers"] = "1",
            }
        );
        await using var first = await LoggedIn(secret, console.Url);
        await first.SeesHeading();
        await using var second = await LoggedIn(secret, console.Url);
        await second.Sees("As many browsers have the console open as may");

        // Without the request that others begin with.
        var cookie = (await second.Page.Context.CookiesAsync()).Single(x => x.Name == "wake-console");
        using var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Cookie", $"{cookie.Name}={cookie.Value}");
        socket.Options.CollectHttpResponseDetails = true;
        await Assert.ThrowsAsync<WebSocketException>(() =>
            socket.ConnectAsync(new UriBuilder(new Uri(console.Url, "/_blazor")) { Scheme = "ws" }.Uri, default)
        );
        Assert.Equal(HttpStatusCode.ServiceUnavailable, socket.HttpStatusCode);

        // It tries again by itself.
        await first.Page.CloseAsync();
        await second.SeesHeading();
        await console.Stop();
    }

    [Fact]
    public async Task The_command_opens_a_console_that_has_a_prefix()
    {
        await using var system = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string> { ["Console__PathBase"] = "/wake" }
        );
        var key = await system.Session("instant");
        await using var browser = await ConsoleBrowser.OpenByCommand(system, [key]);

        await browser.Sees("Timeline");
        Assert.EndsWith($"/wake/sessions/{key}", Uri.UnescapeDataString(browser.Page.Url));
    }

    [Fact]
    public async Task Pages_of_others_are_not_let_in_by_the_cookie()
    {
        var secret = await CreateKey("sessions:read", "sessions:write");
        await using var browser = await LoggedIn(secret);
        var cookie = (await browser.Page.Context.CookiesAsync()).Single(x => x.Name == "wake-console");
        using var http = new HttpClient(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false })
        {
            BaseAddress = wake.Http.BaseAddress,
        };

        Assert.Equal(HttpStatusCode.OK, await Answer("GET", "/sessions"));
        Assert.Equal(
            HttpStatusCode.Forbidden,
            await Answer("POST", "/_blazor/negotiate", ("Origin", "http://evil.example"))
        );
        Assert.Equal(HttpStatusCode.Forbidden, await Answer("GET", "/_blazor", ("Origin", "http://127.0.0.1:1")));
        Assert.Equal(HttpStatusCode.Forbidden, await Answer("POST", "/logout", ("Sec-Fetch-Site", "cross-site")));
        Assert.Equal(HttpStatusCode.BadRequest, await Answer("POST", "/logout"));
        Assert.Equal(HttpStatusCode.OK, await Answer("GET", "/sessions"));

        async Task<HttpStatusCode> Answer(string method, string path, params (string Name, string Value)[] headers)
        {
            using var request = new HttpRequestMessage(new(method), path)
            {
                Headers = { { "Cookie", $"{cookie.Name}={cookie.Value}" } },
            };
            foreach (var (name, value) in headers)
                request.Headers.Add(name, value);
            return (await http.SendAsync(request)).StatusCode;
        }
    }

    [Fact]
    public async Task Links_lead_to_a_turn_and_to_an_event()
    {
        var key = await wake.WatchingSession("instant");
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "merged", id: "an event with a name"));
        await wake.WaitForTurnEnd(key, 1);

        await using (var browser = await ConsoleBrowser.OpenByCommand(wake, [key, "--turn", "1"]))
        {
            Assert.EndsWith("#turn-1", browser.Page.Url);
            await browser.Page.Locator("#turn-1").WaitForAsync();
        }

        await using (var browser = await ConsoleBrowser.OpenByCommand(wake, ["an event with a name"]))
        {
            await browser.Sees("an event with a name");
            await browser.Page.Locator("a", new() { HasText = key }).First.ClickAsync();
            await browser.Page.WaitForURLAsync(x => x.Contains("/sessions/"));
        }

        var unknown = await WakeCommandLine.Run(wake.Here, null, "open", "nobody");
        Assert.Equal(1, unknown.ExitCode);
        Assert.Contains("neither a session nor an event nor a question nobody", unknown.Errors);
    }

    async Task PostEvents(string type, string name, int count)
    {
        var answer = await wake.Http.PostAsJsonAsync(
            "/v1/events",
            Enumerable
                .Range(0, count)
                .Select(x => new
                {
                    id = $"{name}-{x}",
                    source = "test",
                    type,
                    subject = $"test:{name}",
                    reason = $"{name}-{x}",
                })
        );
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
    }

    async Task<ConsoleBrowser> LoggedIn(string secret, Uri? url = null)
    {
        var browser = await ConsoleBrowser.Open(url ?? wake.Http.BaseAddress!);
        await browser.Page.GotoAsync("/login");
        await browser.Page.GetByLabel("API key").FillAsync(secret);
        await browser.Presses("Log in");
        await browser.Page.WaitForURLAsync(x => !x.Contains("/login"));
        return browser;
    }

    Task<string> CreateKey(params string[] scopes) => shared.CreateKey(scopes);

    // Of nobody, so that nothing comes of it.
    async Task<HttpStatusCode> MayWake(string secret)
    {
        using var asker = new HttpClient { BaseAddress = wake.Http.BaseAddress };
        asker.DefaultRequestHeaders.Authorization = new("Bearer", secret);
        var answer = await asker.PostAsJsonAsync("/v1/sessions/nobody/wake", new { reason = "may I?" });
        return answer.StatusCode;
    }

    async Task RevokeKey(string secret)
    {
        using var asker = new HttpClient { BaseAddress = wake.Http.BaseAddress };
        asker.DefaultRequestHeaders.Authorization = new("Bearer", secret);
        var id = (await asker.GetFromJsonAsync<Caller>("/v1/caller"))!.Id;
        Assert.True((await wake.Http.DeleteAsync($"/v1/keys/{id}")).IsSuccessStatusCode);
    }

    Task Publish(string key, string reason) =>
        wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), reason, reason: reason));

    async Task<(string Key, Question Question)> Asks(string order, string profile = "default")
    {
        var key = await wake.WatchingSession(profile);
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), $"merged [[fake:{order}]]"));
        return (
            key,
            await Eventually.Sees(
                async () =>
                    (await wake.Http.GetFromJsonAsync<List<Question>>("/v1/questions?limit=1000"))!.FirstOrDefault(x =>
                        x.Session == key
                    ),
                $"{key} asks"
            )
        );
    }
}
