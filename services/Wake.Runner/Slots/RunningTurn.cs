using Wake.Store;

namespace Wake.Runner;

/// <summary>A turn that runs here, and how it is told to stop.</summary>
sealed class RunningTurn(ClaimedTurn turn, CancellationToken shutdown) : IDisposable
{
    readonly CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(shutdown);

    public ClaimedTurn Turn => turn;

    /// <summary>Fires when it is to be interrupted and given back.</summary>
    public CancellationToken Stop => stop.Token;

    /// <summary>Why it was interrupted; null when the runner shuts down, or it was not.</summary>
    public string? Why { get; private set; }

    /// <summary>Interrupts it, once.</summary>
    public async Task Interrupt(string why)
    {
        if (Why is not null)
            return;

        Why = why;
        try
        {
            await stop.CancelAsync();
        }
        catch (ObjectDisposedException)
        {
            // It has just ended by itself.
        }
    }

    public void Dispose() => stop.Dispose();
}
