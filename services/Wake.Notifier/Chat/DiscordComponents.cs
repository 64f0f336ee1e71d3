using System.Text.Json;
using System.Text.Json.Nodes;
using Wake.Contracts;

namespace Wake.Notifier;

/// <summary>
/// What can be pressed below a message of Discord: up to five rows, each of five buttons or a menu of 25 options.
/// https://docs.discord.com/developers/components/reference
/// </summary>
static class DiscordComponents
{
    const int MaxRows = 5;
    const int MaxButtons = 5;
    const int MaxOptions = 25;
    const int MaxLabel = 80;

    const int Row = 1;
    const int Button = 2;
    const int Menu = 3;
    const int Grey = 2;

    // A menu of which one option at a time is pressed, as if it were a button.
    const string OneOf = "one of ";

    /// <summary>The components for buttons: a menu where several may be chosen at once, a row for each other
    /// choice.</summary>
    public static JsonArray Render(IReadOnlyList<IReadOnlyList<ChatButton>> buttons)
    {
        List<ChatButton> all = [.. buttons.SelectMany(x => x)];
        foreach (var together in (Func<ChatButton, string>[])[Choice, x => x.Menu?.Data ?? ""])
        {
            List<JsonObject> rows = [.. Adjacent(all, together).SelectMany(Rows)];
            if (rows.Count <= MaxRows)
                return [.. rows];
        }

        // There are more than buttons have room for; the last one is what sends.
        return
        [
            .. all.SkipLast(1)
                .Take((MaxRows - 1) * MaxOptions)
                .Chunk(MaxOptions)
                .Select(
                    (options, i) => RowOf(MenuOf($"{OneOf}{i}", 1, 1, options.Select(x => Option(x, x.Data, false))))
                ),
            RowOf(ButtonOf(all[^1])),
        ];
    }

    /// <summary>What a press on a component tells.</summary>
    public static string ReadPress(string name, JsonElement data)
    {
        if (data.TryFind("values") is not { ValueKind: JsonValueKind.Array } values)
            return name;

        var chosen = values.EnumerateArray().Select(x => x.ToString());
        return name.StartsWith(OneOf, StringComparison.Ordinal)
            ? chosen.FirstOrDefault() ?? ""
            : $"{name}{string.Join(',', chosen)}";
    }

    /// <summary>The names of what can be pressed below a message; of a menu of single options, what they
    /// tell.</summary>
    public static IEnumerable<string> Names(JsonElement message) =>
        from row in Items(message, "components")
        from component in Items(row, "components")
        from name in component.TryText("custom_id") is { } id && id.StartsWith(OneOf, StringComparison.Ordinal)
            ? Items(component, "options").Select(x => x.TryText("value"))
            : [component.TryText("custom_id")]
        where name is not null
        select name;

    static string Choice(ChatButton button) => button.Menu?.Data ?? button.Data.Split('.')[0];

    static IEnumerable<List<ChatButton>> Adjacent(List<ChatButton> all, Func<ChatButton, string> key)
    {
        List<ChatButton> group = [];
        foreach (var button in all)
        {
            if (group is [var first, ..] && key(first) != key(button))
            {
                yield return group;
                group = [];
            }

            group.Add(button);
        }

        if (group is not [])
            yield return group;
    }

    static IEnumerable<JsonObject> Rows(List<ChatButton> group) =>
        group is [{ Menu: { } menu }, ..]
            ?
            [
                RowOf(
                    MenuOf(menu.Data, 0, group.Count, group.Select(x => Option(x, $"{x.Menu!.Place}", x.Menu.IsChosen)))
                ),
            ]
            : group.Chunk(MaxButtons).Select(x => RowOf([.. x.Select(ButtonOf)]));

    static JsonObject RowOf(params JsonNode[] components) =>
        new() { ["type"] = Row, ["components"] = new JsonArray([.. components]) };

    static JsonObject ButtonOf(ChatButton button) =>
        new()
        {
            ["type"] = Button,
            ["style"] = Grey,
            ["label"] = Label(button),
            ["custom_id"] = button.Data,
        };

    static JsonObject MenuOf(string name, int least, int most, IEnumerable<JsonObject> options) =>
        new()
        {
            ["type"] = Menu,
            ["custom_id"] = name,
            ["min_values"] = least,
            ["max_values"] = most,
            ["options"] = new JsonArray([.. options]),
        };

    static JsonObject Option(ChatButton button, string value, bool isChosen) =>
        new()
        {
            ["label"] = Label(button),
            ["value"] = value,
            ["default"] = isChosen,
        };

    static string Label(ChatButton button) =>
        button.Label.Length > MaxLabel ? $"{StorableText.Head(button.Label, MaxLabel - 2)} …" : button.Label;

    static JsonElement.ArrayEnumerator Items(JsonElement json, string name) =>
        json.TryFind(name) is { ValueKind: JsonValueKind.Array } items ? items.EnumerateArray() : default;
}
