using Wake.Gateway;

namespace Wake.Cli;

/// <summary>
/// Tells of what was kept for later, or dropped, and could then not be delivered: nobody was there to be told. The next
/// command is, on standard error, once for each file.
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
