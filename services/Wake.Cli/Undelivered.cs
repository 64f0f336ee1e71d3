using Wake.Gateway;

namespace Wake.Cli;

/// <summary>
/// Tells of what was kept for later, or dropped, and could then not be delivered: nobody was there to be told. The next
/// command is, on standard error, once for each file.
/// </summary>
static class Undelivered
{
    // More are a pattern, and the folder has them all.
    const int Shown = 5;

    public static void Tell(SpoolFolder spool)
    {
        var untold = spool.TakeUntold();
        foreach (var (file, reason) in untold.Take(Shown))
            Output.Note($"What was kept for later could not be delivered. {reason.Split('\n')[0]} It lies in {file}");

        if (untold.Count > Shown)
            Output.Note($"So do {untold.Count - Shown} more, with the reasons beside them.");
    }
}
