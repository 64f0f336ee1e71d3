using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Wake.Testing;

/// <summary>Waits for facts, not for time.</summary>
public static class Eventually
{
    // A test that waits in vain is wrong; one that was only slow on a busy machine is not.
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>Looks until there is something to see, and says what it was waiting for when there never is.</summary>
    public static async Task<T> Sees<T>(Func<Task<T?>> look, [CallerArgumentExpression(nameof(look))] string what = "")
        where T : class
    {
        T? seen = null;
        await Holds(async () => (seen = await look()) is not null, what);
        return seen!;
    }

    /// <summary>Looks until it is so.</summary>
    public static async Task Holds(Func<Task<bool>> look, [CallerArgumentExpression(nameof(look))] string what = "")
    {
        for (var waited = Stopwatch.StartNew(); !await look(); )
        {
            if (waited.Elapsed > Patience)
                throw new TimeoutException($"Waited {Patience.TotalSeconds:0} s in vain for: {what}");

            // Most of it is asked of a process over HTTP, which costs that process what it is waited for to do.
            await Task.Delay(Math.Clamp((int)waited.ElapsedMilliseconds / 10, 20, 100));
        }
    }
}
