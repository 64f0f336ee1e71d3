using System.Globalization;
using System.Text;

namespace Wake.ServiceDefaults;

/// <summary>
/// Text with something to see in place of every character that cannot be seen, or that moves others: a person who reads
/// it, or a model, is to read the same. What holds an emoji together stays.
/// </summary>
public static class VisibleText
{
    const int Joiner = 0x200D,
        EmojiStyle = 0xFE0F,
        TextStyle = 0xFE0E,
        Keycap = 0x20E3;

    // Those that no category tells: they are letters and marks, or nothing yet, and are shown as nothing.
    static readonly (int First, int Last)[] Blank =
    [
        (0x034F, 0x034F),
        (0x115F, 0x1160),
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x2065, 0x2065),
        (0x2800, 0x2800),
        (0x3164, 0x3164),
        (0xFE00, 0xFE0F),
        (0xFFA0, 0xFFA0),
        (0xFFF0, 0xFFF8),
        (0xE0000, 0xE0FFF),
    ];

    /// <summary>The text.</summary>
    /// <param name="text">What may have such characters.</param>
    /// <param name="instead">What to see in place of one.</param>
    public static string ReplaceInvisible(string text, Func<Rune, string> instead)
    {
        if (!text.AsSpan().ContainsAnyExceptInRange(' ', '~'))
            return text;

        var seen = new StringBuilder(text.Length);
        Rune before = default;
        Rune? current = null;
        foreach (var next in text.EnumerateRunes())
        {
            Add(next);
            (before, current) = (current ?? default, next);
        }

        Add(default);
        return seen.ToString();

        void Add(Rune next)
        {
            if (current is { } rune)
                seen.Append(IsHidden(before, rune, next) ? instead(rune) : rune.ToString());
        }
    }

    /// <summary>A character as an escape, as programs write it.</summary>
    public static string EscapeSequence(Rune rune) =>
        rune.Value switch
        {
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            <= 0xFFFF => $"\\u{rune.Value:x4}",
            _ => $"\\U{rune.Value:x8}",
        };

    static bool IsHidden(Rune before, Rune rune, Rune next) =>
        rune.Value switch
        {
            Joiner => !Joins(before, next),
            EmojiStyle or TextStyle => !(
                IsPictograph(before) || (next.Value == Keycap && before.Value is (>= '0' and <= '9') or '#' or '*')
            ),
            _ => Rune.GetUnicodeCategory(rune)
                is UnicodeCategory.Control
                    or UnicodeCategory.Format
                    or UnicodeCategory.LineSeparator
                    or UnicodeCategory.ParagraphSeparator
                || Array.Exists(Blank, x => rune.Value >= x.First && rune.Value <= x.Last),
        };

    // Of emojis, and of the scripts in which it follows a mark and shapes the letter after it.
    static bool Joins(Rune before, Rune next) =>
        before.Value == EmojiStyle
        || IsPictograph(before)
        || Rune.GetUnicodeCategory(before) is UnicodeCategory.ModifierSymbol
            ? IsPictograph(next)
            : Rune.GetUnicodeCategory(before) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark
                && Rune.IsLetter(next)
                && !Array.Exists(Blank, x => before.Value >= x.First && before.Value <= x.Last);

    static bool IsPictograph(Rune rune) =>
        rune.Value > 0x7F
        && rune.Value != 0x2800
        && Rune.GetUnicodeCategory(rune)
            is UnicodeCategory.OtherSymbol
                or UnicodeCategory.MathSymbol
                or UnicodeCategory.OtherPunctuation
                or UnicodeCategory.DashPunctuation;
}
