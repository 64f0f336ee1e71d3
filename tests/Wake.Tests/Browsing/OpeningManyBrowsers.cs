using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Playwright;
using Wake.Testing;
using Wake.Tests.HouseRules;
using Wake.Tests.Support;

namespace Wake.Tests.Browsing;

/// <summary>How soon somebody sees a page, and what each browser that is open costs the console.</summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public sealed partial class OpeningManyBrowsers(BrowsedSystem shared) : IClassFixture<BrowsedSystem>
{
    const int First = 5,
        Browsers = 20;

    // Of a quiet machine 1 s and 2 MB; here others are at work as well, and no garbage is collected on demand.
    const double MaxSecondsToPaint = 5,
        MaxMegabytes = 6;

    static readonly string Figures = Path.Combine(Repository.Root, "artifacts", "figures");

    [Fact]
    public async Task A_page_is_soon_there_and_costs_little_while_it_is_open()
    {
        var secret = await shared.CreateKey("sessions:read");
        for (var i = 0; i < 60; i++)
            await shared.System.Session("instant");
        await using var console = await ServiceProcess.Start(
            "Wake.Console",
            new Dictionary<string, string> { ["Console__GatewayUrl"] = $"{shared.System.Http.BaseAddress}" }
        );
        await using var browser = await ConsoleBrowser.Open(console.Url);
        await browser.Page.GotoAsync("/login?to=/sessions");
        await browser.Page.GetByLabel("API key").FillAsync(secret);
        await browser.Presses("Log in");
        await browser.SeesHeading();

        List<double> paints = [];
        List<IPage> pages = [];
        var before = 0L;
        for (var i = 0; i < First + Browsers; i++)
        {
            var page = await browser.Page.Context.NewPageAsync();
            await page.GotoAsync("/sessions");
            await page.Locator("tbody tr").First.WaitForAsync();
            paints.Add(
                await page.EvaluateAsync<double>(
                    "performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000"
                )
            );
            pages.Add(page);
            if (i == First - 1)
                before = PrivateBytes(console.Id);
        }

        var each = (PrivateBytes(console.Id) - before) / (double)Browsers / (1024 * 1024);
        var paint = paints.Order().ElementAt(paints.Count / 2);
        Directory.CreateDirectory(Figures);
        await File.WriteAllTextAsync(
            Path.Combine(Figures, "console.txt"),
            string.Create(
                CultureInfo.InvariantCulture,
                $"First paint {paint:0.00} s; {each:0.00} MB for each browser.\n"
            )
        );

        Assert.InRange(paint, 0, MaxSecondsToPaint);
        Assert.InRange(each, -MaxMegabytes, MaxMegabytes);
    }

    // Without the pages of program files.
    static long PrivateBytes(int process) =>
        1024
        * long.Parse(
            AnonymousMemory().Match(File.ReadAllText($"/proc/{process}/status")).Groups[1].Value,
            CultureInfo.InvariantCulture
        );

    [GeneratedRegex(@"RssAnon:\s+(\d+) kB")]
    private static partial Regex AnonymousMemory();
}
