namespace Wake.Producers.Webhooks;

/// <summary>Titles by which forges tell a draft, or told it before they had a flag for it.</summary>
static class DraftTitle
{
    static readonly string[] Prefixes = ["Draft:", "[Draft]", "(Draft)", "WIP:", "[WIP]"];

    /// <summary>Whether a title marks a draft.</summary>
    public static bool IsDraft(string? title) =>
        title is not null
        && Prefixes.Any(x => title.AsSpan().TrimStart().StartsWith(x, StringComparison.OrdinalIgnoreCase));
}
