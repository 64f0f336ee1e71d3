using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Wake.Cli;

/// <summary>
/// Embeds a SHA-256 of the file in a comment, so that a file edited by hand is detected and not overwritten.
/// </summary>
static partial class ManagedFileChecksum
{
    static readonly string Placeholder = $"sha256={new string('0', 64)}";

    /// <summary>What a comment has to carry. The data folder stands in it as no comment of any format can be ended by
    /// it.</summary>
    public static string HeaderLine(string data) =>
        $"Written by wake service install. {Placeholder} "
        + $"data={Uri.EscapeDataString(data).Replace("-", "%2D", StringComparison.Ordinal)}";

    /// <summary>The text with its own checksum in that line.</summary>
    public static string Stamp(string text) =>
        text.Replace(Placeholder, $"sha256={Compute(text)}", StringComparison.Ordinal);

    /// <summary>Whether it is written by Wake, and still as it was.</summary>
    public static ManagedFileState Verify(string text) =>
        Mark().Match(text) is not { Success: true } mark ? ManagedFileState.Unmanaged
        : Compute(Mark().Replace(text, Placeholder)) == mark.Groups[1].Value ? ManagedFileState.Intact
        : ManagedFileState.Modified;

    /// <summary>The data folder the text speaks of; null when it does not.</summary>
    public static string? ReadDataFolder(string text) =>
        DataMark().Match(text) is { Success: true } mark ? Uri.UnescapeDataString(mark.Groups[1].Value) : null;

    static string Compute(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    [GeneratedRegex("sha256=([0-9a-f]{64})")]
    private static partial Regex Mark();

    [GeneratedRegex(@"sha256=\S+ data=(\S+)")]
    private static partial Regex DataMark();
}

/// <summary>Whose a file is.</summary>
enum ManagedFileState
{
    /// <summary>Somebody else's.</summary>
    Unmanaged,

    /// <summary>Written by Wake, and changed since.</summary>
    Modified,

    /// <summary>As Wake wrote it.</summary>
    Intact,
}
