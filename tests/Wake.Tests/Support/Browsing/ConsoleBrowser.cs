using System.Text.Json;
using Microsoft.Playwright;
using Wake.Testing;
using Wake.Tests.HouseRules;

namespace Wake.Tests.Support;

/// <summary>
/// A person's browser on the console of a system: what they see and press. It remembers what went wrong in it, and
/// keeps pictures of what it showed.
/// </summary>
sealed class ConsoleBrowser : IAsyncDisposable
{
    /// <summary>The size of a common phone, in CSS pixels.</summary>
    public static readonly ViewportSize Phone = new() { Width = 390, Height = 844 };

    static readonly string Screenshots = Path.Combine(Repository.Root, "artifacts", "screenshots");

    readonly IBrowserContext context;
    readonly Uri url;
    readonly List<string> problems = [];

    ConsoleBrowser(IBrowserContext context, IPage page, Uri url)
    {
        (this.context, Page, this.url) = (context, page, url);
        page.SetDefaultTimeout(30_000);
        page.Console += (_, said) =>
        {
            if (said.Type == "error")
                problems.Add(said.Text);
        };
        page.PageError += (_, failed) => problems.Add(failed);
        page.Dialog += async (_, dialog) =>
        {
            problems.Add($"A dialog: {dialog.Message}");
            await dialog.DismissAsync();
        };
    }

    public IPage Page { get; }

    /// <summary>Errors of scripts, refusals of the content security policy, and dialogs of the page itself.</summary>
    public IReadOnlyList<string> Problems => problems;

    /// <summary>A browser that nobody has let in.</summary>
    public static async Task<ConsoleBrowser> Open(
        Uri url,
        ViewportSize? size = null,
        ColorScheme colours = ColorScheme.Light
    )
    {
        var context = await (await Chromium.Browser).NewContextAsync(
            new()
            {
                BaseURL = url.AbsoluteUri,
                ViewportSize = size ?? new() { Width = 1280, Height = 800 },
                ColorScheme = colours,
                IsMobile = size is not null,
                HasTouch = size is not null,
            }
        );
        return new(context, await context.NewPageAsync(), url);
    }

    /// <summary>One that <c>wake open</c> has let in, at what it was told to open.</summary>
    public static async Task<ConsoleBrowser> OpenByCommand(
        WakeSystem wake,
        string[]? arguments = null,
        ViewportSize? size = null,
        ColorScheme colours = ColorScheme.Light
    )
    {
        var browser = await Open(wake.Http.BaseAddress!, size, colours);
        var said = await WakeCommandLine.Run(wake.Here, null, ["open", .. arguments ?? []]);
        Assert.True(said.ExitCode == 0, said.Errors);
        var letIn = await browser.Page.GotoAsync(said.Output.Trim());
        Assert.Equal(200, letIn!.Status);
        await browser.Page.WaitForURLAsync(x => !x.Contains("/open?"), new() { WaitUntil = WaitUntilState.Commit });
        await browser.SeesHeading();
        return browser;
    }

    /// <summary>Goes to a page of the console, and waits until it shows something.</summary>
    public async Task Goes(string path)
    {
        await Page.GotoAsync(path);
        await SeesHeading();
    }

    public Task SeesHeading() => Page.Locator("main h1").First.WaitForAsync();

    public Task Sees(string text) => Page.GetByText(text).First.WaitForAsync();

    public Task Presses(string button) =>
        Page.GetByRole(AriaRole.Button, new() { Name = button, Exact = true }).First.ClickAsync();

    /// <summary>What axe-core finds that keeps people from using the page: its serious and critical rules.</summary>
    public async Task<IReadOnlyList<string>> Barriers()
    {
        // Not by a script element, which the page refuses.
        await Page.EvaluateAsync(await File.ReadAllTextAsync(Path.Combine(Node.Packages, "axe-core", "axe.min.js")));
        var found = await Page.EvaluateAsync<JsonElement>(
            "async () => (await axe.run(document, { resultTypes: ['violations'] })).violations"
        );
        return
        [
            .. from violation in found.EnumerateArray()
            where violation.GetProperty("impact").GetString() is "serious" or "critical"
            from node in violation.GetProperty("nodes").EnumerateArray()
            select $"{violation.GetProperty("id").GetString()}: {node.GetProperty("html").GetString()} "
                + $"({node.GetProperty("failureSummary").GetString()})",
        ];
    }

    /// <summary>Keeps a picture for people.</summary>
    public async Task Pictures(string name)
    {
        Directory.CreateDirectory(Screenshots);
        await Page.ScreenshotAsync(new() { Path = Path.Combine(Screenshots, $"{name}.png") });
    }

    public async ValueTask DisposeAsync() => await context.CloseAsync();
}
