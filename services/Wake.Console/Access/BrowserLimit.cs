using Microsoft.Extensions.Options;
using Wake.ServiceDefaults;

namespace Wake.WebConsole;

/// <summary>
/// Counts the browsers that are connected, each of which costs memory. One whose connection is lost has its place no
/// longer: what is left of it is kept for a minute, and for few.
/// </summary>
sealed class BrowserLimit(IOptions<ConsoleOptions> options)
{
    int open;

    /// <summary>Whether there are as many as may be.</summary>
    public bool IsReached => Volatile.Read(ref open) >= options.Value.MaxBrowsers;

    /// <summary>Counts one that has connected, for the first time or again. False: it is one too many.</summary>
    public bool TryEnter()
    {
        WakeMetrics.ConsoleBrowsers.Add(1);
        return Interlocked.Increment(ref open) <= options.Value.MaxBrowsers;
    }

    /// <summary>Counts one whose connection is gone.</summary>
    public void Leave()
    {
        WakeMetrics.ConsoleBrowsers.Add(-1);
        Interlocked.Decrement(ref open);
    }
}
