using Microsoft.AspNetCore.Components.Server.Circuits;
using Microsoft.Extensions.Options;

namespace Wake.WebConsole;

/// <summary>Counts the browsers that have the console open, each of which costs memory.</summary>
sealed class BrowserLimit(IOptions<ConsoleOptions> options) : CircuitHandler
{
    int open;

    /// <summary>Whether there are as many as may be.</summary>
    public bool IsReached => Volatile.Read(ref open) >= options.Value.MaxBrowsers;

    public override Task OnCircuitOpenedAsync(Circuit circuit, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref open);
        return Task.CompletedTask;
    }

    public override Task OnCircuitClosedAsync(Circuit circuit, CancellationToken cancellationToken)
    {
        Interlocked.Decrement(ref open);
        return Task.CompletedTask;
    }
}
