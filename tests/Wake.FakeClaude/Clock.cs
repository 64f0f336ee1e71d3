using System.Globalization;

namespace Wake.FakeClaude;

/// <summary>Timestamps as rows and lines have them.</summary>
static class Clock
{
    public static string Now() =>
        DateTimeOffset.UtcNow.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);
}
