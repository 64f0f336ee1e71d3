using System.Net;
using System.Net.Http.Json;
using Microsoft.Playwright;
using Wake.Contracts.Http;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Browsing;

/// <summary>A console whose people have accounts at a provider, beside its gateway.</summary>
public sealed class ConsoleWithAccounts : IAsyncLifetime
{
    ServiceProcess console = null!;

    internal LoopbackOpenIdProvider Provider { get; private set; } = null!;

    internal WakeSystem Wake { get; private set; } = null!;

    internal Uri Url { get; private set; } = null!;

    /// <summary>The key of operators, and its id.</summary>
    internal NewApiKey Operators { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        Provider = await LoopbackOpenIdProvider.Start();
        Wake = await WakeSystem.Start(Transport.InMemory);
        var viewers = await Key("sessions:read", "people:name");
        Operators = await Key("sessions:read", "sessions:write", "people:name");
        var nameless = await Key("sessions:read");
        var console = await Wake.StartProcess(
            "Wake.Console",
            new Dictionary<string, string>(Provider.Settings)
            {
                ["Console__GatewayUrl"] = $"{Wake.Http.BaseAddress}",
                ["Console__PathBase"] = "/wake",
                ["Console__OpenIdConnect__Roles__Viewer__Key"] = viewers.Key,
                ["Console__OpenIdConnect__Roles__Operator__Key"] = Operators.Key,
                ["Console__OpenIdConnect__Roles__Operator__Values__0"] = "wake-operators",
                ["Console__OpenIdConnect__Roles__Admin__Key"] = nameless.Key,
            }
        );
        (Url, this.console) = (console.Url, console);
    }

    internal string Log => console.Log;

    public async Task DisposeAsync()
    {
        await Wake.DisposeAsync();
        await Provider.DisposeAsync();
    }

    async Task<NewApiKey> Key(params string[] scopes) =>
        (
            await (
                await Wake.Http.PostAsJsonAsync("/v1/keys", new { name = "role", scopes })
            ).Content.ReadFromJsonAsync<NewApiKey>()
        )!;
}

/// <summary>People log in at the OpenID Connect provider of their own, and the ledger has them by name.</summary>
[Trait("Starts", "processes")]
public sealed class LoggingInByAnAccount(ConsoleWithAccounts shared) : IClassFixture<ConsoleWithAccounts>
{
    readonly WakeSystem wake = shared.Wake;
    readonly LoopbackOpenIdProvider provider = shared.Provider;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_operator_does_something_and_the_ledger_has_it_under_their_name(bool thinTokens)
    {
        var key = await wake.WatchingSession("instant");
        provider.HasThinTokens = thinTokens;
        await using var browser = await LogIn(
            new()
            {
                ["sub"] = "1",
                ["email"] = "jürgen@example.com",
                ["email_verified"] = true,
                ["roles"] = new[] { "viewer", "wake-operators" },
            },
            $"/sessions/{Uri.EscapeDataString(key)}"
        );

        await browser.Sees("jürgen@example.com");
        Assert.EndsWith($"/wake/sessions/{key}", Uri.UnescapeDataString(browser.Page.Url));
        Assert.Empty(await browser.Barriers());
        var closed = await wake.Http.GetAsync($"/v1/sessions/{Uri.EscapeDataString(key)}");
        Assert.True(closed.IsSuccessStatusCode);
        await browser.Presses("Close");
        await browser.Presses("Close it");
        var line = await Eventually.Sees(async () =>
            (await wake.Http.GetFromJsonAsync<List<LedgerLine>>("/v1/activity"))!.FirstOrDefault(x =>
                x.What == "closed" && x.Session == key
            )
        );

        Assert.Equal($"by jürgen@example.com ({shared.Operators.Id}) over the API", line.Note);
        Assert.Empty(browser.Problems);
        provider.HasThinTokens = false;
    }

    [Fact]
    public async Task A_viewer_is_offered_nothing_that_changes_something()
    {
        var key = await wake.WatchingSession("instant");
        await using var browser = await LogIn(
            new()
            {
                ["sub"] = "2",
                ["email"] = "eve@example.com",
                ["roles"] = "viewer",
            },
            $"/sessions/{Uri.EscapeDataString(key)}"
        );

        await browser.Sees("Timeline");
        Assert.Equal(0, await browser.Page.GetByLabel("Say something").CountAsync());
    }

    [Fact]
    public async Task Who_signs_out_has_to_log_in_again()
    {
        await using var browser = await LogIn(
            new()
            {
                ["sub"] = "3",
                ["email"] = "eve@example.com",
                ["roles"] = "viewer",
            },
            "/sessions"
        );
        var cookies = await browser.Page.Context.CookiesAsync();
        Assert.All(
            cookies.Where(x => x.Name == "wake-console"),
            x => Assert.Equal((true, SameSiteAttribute.Strict, "/wake"), (x.HttpOnly, x.SameSite, x.Path))
        );

        await browser.Presses("Sign out");
        await browser.Page.GetByLabel("API key").WaitForAsync();
        await browser.Page.GotoAsync("/wake/sessions");
        Assert.Contains("/wake/login?to=", browser.Page.Url);

        // Also with the cookie that it had.
        await browser.Page.Context.AddCookiesAsync([
            .. cookies
                .Where(x => x.Name == "wake-console")
                .Select(x => new Microsoft.Playwright.Cookie
                {
                    Name = x.Name,
                    Value = x.Value,
                    Domain = x.Domain,
                    Path = x.Path,
                }),
        ]);
        await browser.Page.GotoAsync("/wake/sessions");
        Assert.Contains("/wake/login?to=", browser.Page.Url);
    }

    // An address that nobody has verified may be anybody's.
    [Theory]
    [InlineData("email", "boss@example.com", false)]
    [InlineData("other", "x", null)]
    public async Task Who_has_no_verified_address_is_called_by_the_provider_s_own_name(
        string claim,
        string value,
        bool? verified
    )
    {
        var account = new Dictionary<string, object>
        {
            ["sub"] = "account-4711",
            [claim] = value,
            ["roles"] = "viewer",
        };
        if (verified is not null)
            account["email_verified"] = verified;
        await using var browser = await LogIn(account, "/sessions");

        await browser.Sees("account-4711");
        Assert.Equal(0, await browser.Page.GetByText("boss@example.com").CountAsync());
    }

    public static TheoryData<string, object, string> Wrong =>
        new()
        {
            { "iss", "https://evil.example", "is not valid" },
            { "nonce", "of another log-in", "is not valid" },
            { "exp", 1_000_000_000, "is not valid" },
            { "aud", "another-client", "is not valid" },
            { "roles", "nobody-in-particular", "has no role in Wake" },
            { "roles", "admin", "own key for your role is not valid" },
            { "sub", "evil\u202Egnp", "no name that can be used here" },
        };

    [Theory]
    [MemberData(nameof(Wrong))]
    public async Task Who_is_not_to_be_let_in_is_told_why(string claim, object value, string sentence)
    {
        Account(new() { ["sub"] = "5", ["roles"] = "viewer" });
        provider.Forged = new() { [claim] = value };

        Assert.Contains(sentence, await PageAfterLogIn());
    }

    [Fact]
    public async Task Who_says_no_at_the_provider_comes_back_to_the_log_in_page()
    {
        Account([]);
        provider.Denies = true;

        Assert.Contains("has let you in no further", await PageAfterLogIn());
    }

    // Somebody who logs in as another without knowing it shows that other what they type.
    [Fact]
    public async Task A_log_in_that_another_browser_has_begun_lets_nobody_in()
    {
        Account(
            new()
            {
                ["sub"] = "6",
                ["email"] = "mallory@example.com",
                ["roles"] = "viewer",
            }
        );
        using var attacker = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = true });
        var begun = await attacker.GetAsync(new Uri(shared.Url, "/wake/login/openid"));
        var back = (await attacker.GetAsync(begun.Headers.Location)).Headers.Location!;

        await using var victim = await ConsoleBrowser.Open(shared.Url);
        await victim.Page.GotoAsync(back.AbsoluteUri);

        await victim.Sees("was not begun in this browser");
        await victim.Page.GotoAsync("/wake/sessions");
        Assert.Contains("/wake/login?to=", victim.Page.Url);
        Assert.DoesNotContain(await victim.Page.Context.CookiesAsync(), x => x.Name == "wake-console");
    }

    [Fact]
    public async Task A_key_that_may_not_name_people_names_nobody()
    {
        var made = await wake.Http.PostAsJsonAsync(
            "/v1/keys",
            new { name = "plain", scopes = new[] { "sessions:read", "sessions:write" } }
        );
        var plain = (await made.Content.ReadFromJsonAsync<NewApiKey>())!.Key;
        Assert.Equal(HttpStatusCode.OK, await Ask(plain, null));
        Assert.Equal(HttpStatusCode.Forbidden, await Ask(plain, "alice"));
        Assert.Equal(HttpStatusCode.OK, await Ask(shared.Operators.Key, "alice"));
        foreach (var hostile in (string[])["", "%20", "a%0Ab", "a%E2%80%AEb", "a%00b", new('x', 257)])
            Assert.Equal(HttpStatusCode.BadRequest, await Ask(shared.Operators.Key, hostile));

        async Task<HttpStatusCode> Ask(string key, string? person)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(wake.Http.BaseAddress!, "/v1/caller"));
            request.Headers.Authorization = new("Bearer", key);
            if (person is not null)
                request.Headers.TryAddWithoutValidation("X-Wake-On-Behalf-Of", person);
            using var http = new HttpClient();
            return (await http.SendAsync(request)).StatusCode;
        }
    }

    // Nobody has let them in, so nothing of it is held for them.
    [Fact]
    public async Task A_form_that_is_larger_than_a_log_in_is_not_read()
    {
        using var http = new HttpClient { BaseAddress = shared.Url, DefaultRequestHeaders = { ExpectContinue = true } };
        using var form = new FormUrlEncodedContent(
            Enumerable.Range(0, 500).Select(x => KeyValuePair.Create($"f{x}", new string('x', 50_000)))
        );
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await http.PostAsync("/wake/login", form)).StatusCode);

        // Also one that does not say how long it is.
        http.DefaultRequestHeaders.ExpectContinue = false;
        using var endless = new EndlessForm();
        try
        {
            Assert.False((await http.PostAsync("/wake/login", endless)).IsSuccessStatusCode);
        }
        catch (HttpRequestException)
        {
            // The line was cut.
        }

        Assert.InRange(endless.Sent, 1, EndlessForm.Most / 2);
    }

    sealed class EndlessForm : HttpContent
    {
        public const long Most = 60_000_000;

        public EndlessForm() => Headers.ContentType = new("application/x-www-form-urlencoded");

        public long Sent { get; private set; }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            var block = new byte[100_000];
            Array.Fill(block, (byte)'x');
            for (; Sent < Most; Sent += block.Length)
                await stream.WriteAsync(block);
        }
    }

    async Task<ConsoleBrowser> LogIn(Dictionary<string, object> account, string path)
    {
        var browser = await ConsoleBrowser.Open(shared.Url);
        Account(account);
        await browser.Page.GotoAsync($"/wake{path}");
        await Press(browser);
        await browser.SeesHeading();
        return browser;
    }

    // Where a browser ends up, without one: none of these is let in.
    async Task<string> PageAfterLogIn()
    {
        var cookies = new CookieContainer();
        using var http = new HttpClient(new SocketsHttpHandler { CookieContainer = cookies })
        {
            BaseAddress = shared.Url,
        };
        var page = await http.GetAsync("/wake/login/openid?to=/sessions");
        var text = await page.Content.ReadAsStringAsync();
        Assert.True(
            page.IsSuccessStatusCode,
            $"{page.StatusCode} of {page.RequestMessage!.RequestUri}: {text} {shared.Log}"
        );
        Assert.DoesNotContain(cookies.GetAllCookies(), x => x.Name == "wake-console");
        return WebUtility.HtmlDecode(text);
    }

    void Account(Dictionary<string, object> account) =>
        (provider.Account, provider.Forged, provider.Denies) = (account, [], false);

    static Task Press(ConsoleBrowser browser) =>
        browser.Page.GetByRole(AriaRole.Link, new() { Name = "Log in with your account" }).ClickAsync();
}
