using System.Text.RegularExpressions;

namespace Wake.Offline;

/// <summary>Finds the markers in a text and divides them into replies.</summary>
static partial class Markers
{
    /// <summary>The markers of a prompt. Prompts may quote anything, so what only looks like a marker is left
    /// alone.</summary>
    public static IEnumerable<Marker> In(string text) => All(text).Where(x => x.IsKnown);

    /// <summary>The markers of a text that was written to be a script: here an unknown one is a slip.</summary>
    /// <exception cref="FormatException">The text has an unknown marker.</exception>
    public static IReadOnlyList<Marker> InScript(string text)
    {
        var markers = All(text).ToList();

        return markers.Find(x => !x.IsKnown) is { } unknown
            ? throw new FormatException($"{unknown} is no marker.")
            : markers;
    }

    /// <summary>The markers of the reply that follows so many rounds of tool calls: its modifiers and its
    /// actions.</summary>
    public static IReadOnlyList<Marker> Step(this IEnumerable<Marker> markers, int number)
    {
        List<List<Marker>> steps = [];
        var unfinished = false;

        foreach (var marker in markers)
        {
            if (marker.IsJoiner)
            {
                unfinished = steps.Count > 0;
                continue;
            }

            if (!unfinished)
                steps.Add([]);

            steps[^1].Add(marker);
            unfinished = !marker.IsAction;
        }

        // Modifiers after the last action stay in force once the actions are used up.
        return steps.ElementAtOrDefault(number) ?? (unfinished ? steps[^1] : []);
    }

    static IEnumerable<Marker> All(string text) =>
        Pattern().Matches(text).Select(x => new Marker(x.Groups[1].Value, x.Groups[2].Value));

    // The look-ahead lets an argument end in "]", as JSON arrays and shell tests do.
    [GeneratedRegex(@"\[\[([a-z]+)(?::| ?)(.*?)\]\](?!\])", RegexOptions.Singleline)]
    private static partial Regex Pattern();
}
