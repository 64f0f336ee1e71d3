using System.Text;

namespace Wake.Contracts;

/// <summary>Text as PostgreSQL can hold it: without U+0000, and without half of a surrogate pair, which is no
/// Unicode.</summary>
public static class StorableText
{
    /// <summary>The text, with U+FFFD in place of what cannot be stored. Names stay apart that differ only
    /// there.</summary>
    public static string Sanitize(string text) =>
        Problem(text) is null ? text : string.Concat(text.EnumerateRunes().Select(Storable));

    /// <summary>What keeps this text from being stored, as a sentence; null when nothing does.</summary>
    public static string? Problem(string text) =>
        text.Contains('\0') ? "contains the character U+0000, which cannot be stored."
        : HasLoneSurrogate(text) ? "contains half of a surrogate pair, which is not valid Unicode."
        : null;

    /// <summary>The first characters of a text, no more than these, without half of a surrogate pair at the
    /// end.</summary>
    public static string Head(string text, int limit) =>
        text.Length <= limit ? text : text[..(limit > 0 && char.IsHighSurrogate(text[limit - 1]) ? limit - 1 : limit)];

    // Enumerating has replaced the halves already.
    static string Storable(Rune rune) => (rune.Value == 0 ? Rune.ReplacementChar : rune).ToString();

    static bool HasLoneSurrogate(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i]))
                continue;

            if (i + 1 == text.Length || !char.IsSurrogatePair(text[i], text[i + 1]))
                return true;

            i++;
        }

        return false;
    }
}
