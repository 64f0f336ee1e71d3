using Microsoft.Playwright;

namespace Wake.Tests.Support;

/// <summary>The machine's Chromium, one for all tests. Each test has a context of its own in it, which shares
/// nothing.</summary>
static class Chromium
{
    static readonly Lazy<Task<IBrowser>> Shared = new(Start);

    public static Task<IBrowser> Browser => Shared.Value;

    // It ends with the process that has started it.
    static async Task<IBrowser> Start()
    {
        var program = Environment.GetEnvironmentVariable("WAKE_CHROMIUM") is { Length: > 0 } named
            ? named
            : "/usr/bin/chromium";
        if (!File.Exists(program))
            throw new InvalidOperationException($"There is no Chromium at {program}. tests/run installs it.");

        var playwright = await Playwright.CreateAsync();
        return await playwright.Chromium.LaunchAsync(
            new()
            {
                ExecutablePath = program,
                // Root has no sandbox; the pages are our own.
                ChromiumSandbox = !Environment.IsPrivilegedProcess,
            }
        );
    }
}
