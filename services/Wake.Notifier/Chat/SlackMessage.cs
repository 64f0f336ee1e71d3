using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Wake.Contracts;

namespace Wake.Notifier;

/// <summary>Pure: what a message is in the words of Slack, and what a text of Slack's says.</summary>
static partial class SlackMessage
{
    /// <summary>How many UTF-16 units a message may have: three sections, beside which there is room for
    /// buttons.</summary>
    public const int MaxLength = 3 * MaxSection;

    // Of the metadata by which a message is found again.
    const string MetadataType = "wake_message";

    // Slack's own bounds.
    const int MaxSection = 3000;
    const int MaxLabel = 75;

    // More in a row are hard to tell from each other. Slack takes 25.
    const int ButtonsInABlock = 5;

    // What stands in a notification of the desktop.
    const int MaxSummary = 300;

    /// <summary>What a post is told as: text that is shown as it is, in sections, and below it the buttons.</summary>
    public static Dictionary<string, string?> Arguments(string channel, ChatPost post) =>
        new()
        {
            ["channel"] = channel,
            ["text"] = Escape(Summary($"{post.Text}")),
            ["blocks"] = JsonSerializer.Serialize(Blocks(post)),
            // No word of a session's calls anybody, is a link or fetches what it names.
            ["parse"] = "none",
            ["link_names"] = "false",
            ["mrkdwn"] = "false",
            ["unfurl_links"] = "false",
            ["unfurl_media"] = "false",
        };

    /// <summary>What only who has pressed a button is told.</summary>
    public static object Ephemeral(string sentence) =>
        new
        {
            response_type = "ephemeral",
            replace_original = false,
            text = Escape(sentence),
            blocks = new[] { Section(sentence) },
        };

    /// <summary>By what a message is found again.</summary>
    public static string Metadata(string id) =>
        JsonSerializer.Serialize(new { event_type = MetadataType, event_payload = new { id } });

    /// <summary>Whether a message is one that was sent under this id.</summary>
    public static bool IsPost(JsonElement message, string? id) =>
        message.Text("metadata", "event_type") == MetadataType && message.Text("metadata", "event_payload", "id") == id;

    /// <summary>How Wake calls a message: its time names it in one channel alone.</summary>
    public static string Name(string channel, string ts) => $"{channel}:{ts}";

    /// <summary>The time that names a message in a channel; null when it is in none or in another.</summary>
    public static string? Find(string channel, string? name) =>
        name?.StartsWith($"{channel}:", StringComparison.Ordinal) is true ? name[(channel.Length + 1)..] : null;

    /// <summary>What somebody has written, as they have: Slack escapes it, and marks whom and what it names.</summary>
    public static string Decode(string text) =>
        Marked()
            .Replace(text, x => Shown(x.Groups[1].Value, x.Groups[2].Success ? x.Groups[2].Value : null))
            .Replace("&lt;", "<", StringComparison.Ordinal)
            .Replace("&gt;", ">", StringComparison.Ordinal)
            .Replace("&amp;", "&", StringComparison.Ordinal);

    /// <summary>When a message was written, by Slack's name for it, which is a time.</summary>
    public static DateTimeOffset? Time(string ts) =>
        decimal.TryParse(ts, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds)
        && seconds < 253_402_300_000m
            ? DateTimeOffset.UnixEpoch + TimeSpan.FromTicks((long)(seconds * TimeSpan.TicksPerSecond))
            : null;

    /// <summary>What Slack would call a message of that time. Names of one length are in the order of their
    /// times.</summary>
    public static string Timestamp(DateTimeOffset at) =>
        ((at - DateTimeOffset.UnixEpoch).Ticks / (decimal)TimeSpan.TicksPerSecond).ToString(
            "0.000000",
            CultureInfo.InvariantCulture
        );

    static List<object> Blocks(ChatPost post)
    {
        List<object> blocks = [.. post.Text.Split(MaxSection).Select(x => Section($"{x}"))];
        var buttons = post
            .Buttons.SelectMany(x => x)
            .Select((x, place) => Button(x, $"b{place.ToString(CultureInfo.InvariantCulture)}"));
        blocks.AddRange(buttons.Chunk(ButtonsInABlock).Select(x => new { type = "actions", elements = x }));
        return blocks;
    }

    static object Section(string text) => new { type = "section", text = Plain(text) };

    static object Button(ChatButton button, string action) =>
        new
        {
            type = "button",
            action_id = action,
            text = Plain(
                button.Label.Length > MaxLabel ? $"{StorableText.Head(button.Label, MaxLabel - 2)} …" : button.Label
            ),
            value = button.Data,
        };

    // Nothing in it has a meaning, not even :smile:.
    static object Plain(string text) =>
        new
        {
            type = "plain_text",
            text,
            emoji = false,
        };

    static string Summary(string text) => text.Length > MaxSummary ? $"{StorableText.Head(text, MaxSummary)} …" : text;

    static string Escape(string text) =>
        new StringBuilder(text).Replace("&", "&amp;").Replace("<", "&lt;").Replace(">", "&gt;").ToString();

    static string Shown(string marked, string? label) =>
        marked switch
        {
            ['@' or '#', ..] => label is null ? marked : $"{marked[0]}{label.TrimStart('@', '#')}",
            ['!', ..] => label ?? $"@{marked[1..]}",
            _ => label is null || marked.EndsWith(label, StringComparison.Ordinal) ? marked : $"{label} ({marked})",
        };

    [GeneratedRegex(@"<([^<>|]+)(?:\|([^<>]*))?>")]
    private static partial Regex Marked();
}
