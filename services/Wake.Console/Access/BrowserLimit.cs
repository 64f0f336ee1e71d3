using Microsoft.Extensions.Options;

namespace Wake.WebConsole;

/// <summary>Counts the browsers that have the console open, each of which costs memory.</summary>
sealed class BrowserLimit(IOptions<ConsoleOptions> options)
{
    int open;

    /// <summary>Whether there are as many as may be.</summary>
    public bool IsReached => Volatile.Read(ref open) >= options.Value.MaxBrowsers;

    /// <summary>Counts one that came (1) or went (-1).</summary>
    public void Add(int browsers) => Interlocked.Add(ref open, browsers);
}
