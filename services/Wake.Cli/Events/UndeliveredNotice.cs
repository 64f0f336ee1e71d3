using Wake.Gateway;

namespace Wake.Cli;

/// <summary>
/// Reports spool files that were rejected at delivery. Each is printed once, on standard error, by the next command
/// that runs.
/// </summary>
static class UndeliveredNotice
{
    // More are a pattern, and the folder has them all.
    const int MaxShown = 5;

    public static void Print(SpoolFolder spool)
    {
        var untold = spool.TakeUnreported();
        foreach (var (file, reason) in untold.Take(MaxShown))
            Output.Note($"What was kept for later could not be delivered. {reason.Split('\n')[0]} It lies in {file}");

        if (untold.Count > MaxShown)
            Output.Note($"So do {untold.Count - MaxShown} more, with the reasons beside them.");
    }
}
