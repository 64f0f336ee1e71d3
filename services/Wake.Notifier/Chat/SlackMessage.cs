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

    const string DateFormat = "{date_short_pretty} {time_secs}";

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

    /// <summary>What a button tells, or boxes that were ticked: of these all that are.</summary>
    public static string Data(JsonElement action) =>
        action.Text("type") == "checkboxes"
            ? action.Text("action_id") + string.Join(',', action.List("selected_options").Select(x => x.Text("value")))
            : action.Text("value") ?? "";

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
        if (post.Text.Runs.Select(x => x.At).FirstOrDefault(x => x is not null) is { } at)
            blocks.Add(Clock(at));

        List<ChatButton> left = [.. post.Buttons.SelectMany(x => x)];
        for (var place = 0; place < left.Count; )
        {
            var menu = left[place].Menu?.Data;
            var together = left.Skip(place).TakeWhile(x => x.Menu?.Data == menu).ToList();
            blocks.AddRange(
                menu is null
                    ? together.Select((x, i) => Button(x, $"b{place + i}")).Chunk(ButtonsInABlock).Select(Actions)
                    : [Actions([Checkboxes(menu, together)])]
            );
            place += together.Count;
        }

        return blocks;
    }

    static object Actions(object[] elements) => new { type = "actions", elements };

    static object Section(string text) => new { type = "section", text = Plain(text) };

    // The same moment by the clock of whoever reads it. All of it is Wake's.
    static object Clock(DateTimeOffset at) =>
        new
        {
            type = "context",
            elements = new[]
            {
                new
                {
                    type = "mrkdwn",
                    text = string.Create(
                        CultureInfo.InvariantCulture,
                        $"By your clock: <!date^{at.ToUnixTimeSeconds()}^{DateFormat}|{ChatText.Moment(at)}>"
                    ),
                },
            },
        };

    static object Button(ChatButton button, string action) =>
        new
        {
            type = "button",
            action_id = action,
            text = Label(button),
            value = button.Data,
        };

    // Of what is chosen already Slack takes no empty list.
    static Dictionary<string, object> Checkboxes(string action, List<ChatButton> buttons)
    {
        var options = buttons.ConvertAll(x => (object)new { text = Label(x), value = $"{x.Menu!.Place}" });
        Dictionary<string, object> boxes = new()
        {
            ["type"] = "checkboxes",
            ["action_id"] = action,
            ["options"] = options,
        };
        if (buttons.Any(x => x.Menu!.IsChosen))
            boxes["initial_options"] = options.Where((_, place) => buttons[place].Menu!.IsChosen);
        return boxes;
    }

    static object Label(ChatButton button) =>
        Plain(button.Label.Length > MaxLabel ? $"{StorableText.Head(button.Label, MaxLabel - 2)} …" : button.Label);

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
