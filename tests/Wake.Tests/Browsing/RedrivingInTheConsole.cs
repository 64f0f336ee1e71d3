using System.Net.Http.Json;
using Microsoft.Playwright;
using RabbitMQ.Client;
using Wake.Contracts;
using Wake.Contracts.Http;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Browsing;

/// <summary>What a real RabbitMQ has put aside, in a real browser, with the rights that the services are shipped
/// with.</summary>
[Trait("Starts", "processes")]
public sealed class RedrivingInTheConsole(GuardedRabbitMqSystem shared) : IClassFixture<GuardedRabbitMqSystem>
{
    readonly WakeSystem wake = shared.System;

    [Fact]
    public async Task A_message_that_was_refused_is_shown_sent_again_and_processed()
    {
        var key = await wake.Session();
        var channel = await wake.Amqp();
        // Of a publisher whom nobody trusts to name a session.
        var refused = WakeSystem.Event("put aside", "put aside and found") with
        {
            Sessions = [key],
        };
        await channel.BasicPublishAsync(
            "wake.events",
            "any",
            true,
            new BasicProperties(),
            EventJson.Serialize(refused)
        );
        await channel.BasicPublishAsync(
            "wake.events",
            "any",
            true,
            new BasicProperties(),
            "<b>no event</b>"u8.ToArray()
        );
        var console = await wake.StartProcess(
            "Wake.Console",
            new Dictionary<string, string> { ["Console__GatewayUrl"] = $"{wake.Http.BaseAddress}" }
        );
        await using var browser = await LogIn(console.Url, "admin");

        var card = browser.Page.Locator("article", new() { HasText = refused.Id });
        await card.GetByText("TrustedPublishers").WaitForAsync();
        await browser.Pictures("dead-letters");
        Assert.Empty(await browser.Barriers());

        // Sent again as it is, it is as little trusted as before.
        var before = (await Listed(refused.Id))!.Seen;
        await card.GetByRole(AriaRole.Button, new() { Name = "Send again", Exact = true }).ClickAsync();
        await Eventually.Holds(async () => (await Listed(refused.Id))?.Seen > before);
        await card.GetByRole(AriaRole.Button, new() { Name = "Send again", Exact = true }).WaitForAsync();
        Assert.Empty(await wake.Turns(key));

        await card.GetByRole(AriaRole.Button, new() { Name = "Send again as ours" }).ClickAsync();
        await card.GetByRole(AriaRole.Button, new() { Name = "Answer for it" }).ClickAsync();
        Assert.Equal(["put aside and found"], (await wake.WaitForTurnEnd(key, 1)).Reasons);
        await card.WaitForAsync(new() { State = WaitForSelectorState.Detached });

        var other = browser.Page.Locator("article", new() { HasText = "<b>no event</b>" });
        await other.GetByRole(AriaRole.Button, new() { Name = "Drop", Exact = true }).ClickAsync();
        await other.GetByRole(AriaRole.Button, new() { Name = "Drop it" }).ClickAsync();
        await other.WaitForAsync(new() { State = WaitForSelectorState.Detached });
        await browser.Goes("/activity");
        await browser.Page.Locator(".ledger li", new() { HasText = "dropped" }).First.WaitForAsync();
        Assert.Empty(browser.Problems);
        await console.Stop();
    }

    async Task<DeadLetter?> Listed(string text) =>
        (await wake.Http.GetFromJsonAsync<List<DeadLetter>>("/v1/dead-letters"))!.FirstOrDefault(x =>
            x.Body.Contains(text)
        );

    async Task<ConsoleBrowser> LogIn(Uri url, params string[] scopes)
    {
        var made = await wake.Http.PostAsJsonAsync("/v1/keys", new { name = "browser test", scopes });
        var browser = await ConsoleBrowser.Open(url);
        await browser.Page.GotoAsync("/login");
        await browser.Page.GetByLabel("API key").FillAsync((await made.Content.ReadFromJsonAsync<NewApiKey>())!.Key);
        await browser.Presses("Log in");
        await browser.Page.WaitForURLAsync(x => !x.Contains("/login"));
        return browser;
    }
}
