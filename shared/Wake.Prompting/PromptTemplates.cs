using System.Globalization;
using HandlebarsDotNet;
using Microsoft.Extensions.Options;

namespace Wake.Prompting;

/// <summary>
/// The templates, compiled, and the choice among them. What is wrong with one is said here, at the start, and not by a turn
/// at night.
/// </summary>
/// <remarks>
/// No template ever sees text from outside. Where that goes a template writes a mark, which <see cref="WakePrompt"/> replaces
/// by the block; so no template, however it is written, lets text out of its block.
/// </remarks>
sealed class PromptTemplates
{
    // No text that Wake puts into a prompt holds the control character.
    public const string EventsMark = "\u0001events";
    public const string RecapMark = "\u0001recap";

    const string AnyType = "event";

    readonly Dictionary<string, Func<IReadOnlyDictionary<string, object>, string>> templates = [];
    readonly int longest;

    /// <summary>Reads and compiles them, and tries each with all it may ever be given.</summary>
    /// <param name="folder">The owner's; null for the built-in ones alone.</param>
    /// <exception cref="OptionsValidationException">A template is wrong; the message names it and says what.</exception>
    public PromptTemplates(string? folder)
    {
        var engine = Handlebars.Create(new HandlebarsConfiguration
        {
            NoEscape = true,
            ThrowOnUnresolvedBindingExpression = true,
            FormatProvider = CultureInfo.InvariantCulture,
        });

        foreach (var file in PromptFile.Read(folder))
        {
            try
            {
                var template = engine.Compile(file.Text);
                templates[file.Name] = values => template(values).Trim();

                if (file.Name is PromptFile.Frame)
                    TryFrame(file);
                else
                    Array.ForEach([1, 2], count => templates[file.Name](Values(count)));
            }
            // The engine has no exception in common for what can be wrong with a template.
            catch (Exception wrong) when (wrong is not OptionsValidationException)
            {
                throw file.Wrong($"cannot be used: {wrong.Message.ReplaceLineEndings(" ")}");
            }
        }

        longest = templates.Keys.Max(x => x.Length);
    }

    /// <summary>The whole prompt, with marks in place of what came from outside.</summary>
    /// <param name="opening">What the session knows already.</param>
    /// <param name="why">Why a session was replaced; a sentence without its full stop.</param>
    /// <param name="count">How many events there are.</param>
    /// <param name="advice">What the types' own templates say.</param>
    /// <param name="recap">Whether there is one.</param>
    public string Frame(Opening opening, string why, int count, string advice, bool recap) =>
        templates[PromptFile.Frame](new Dictionary<string, object>(Values(count))
        {
            ["again"] = opening is Opening.Again,
            ["first"] = opening is Opening.First,
            ["replaced"] = opening is Opening.Replaced,
            ["resumed"] = opening is Opening.Resumed,
            ["why"] = why,
            ["advice"] = advice,
            ["recap"] = recap ? RecapMark : "",
            ["events"] = EventsMark,
        });

    /// <summary>What there is to say about events of these types: each template once, in the order of the events.</summary>
    public string Advice(IEnumerable<string> types, bool remembers) => string.Join("\n\n", types
        .GroupBy(type => Choose(type, remembers))
        .Select(x => templates[x.Key](Values(x.Count()))).Where(x => x.Length > 0));

    /// <summary>
    /// The template for events of a type, the most particular there is. A session that remembers is told the delta, and in
    /// full where there is none.
    /// </summary>
    public string Choose(string type, bool remembers)
    {
        string[] forms = remembers ? [PromptFile.Once, PromptFile.Delta, PromptFile.Full] : [PromptFile.Once, PromptFile.Full];
        return Names(type).SelectMany(name => forms.Select(form => name + form)).First(templates.ContainsKey);
    }

    // github.ci.completed, ci.completed, github.ci, ci, github, event: who saw it comes first in a type and says the least.
    // A type may also be a hundred dots, so names that are longer than any template's are not even made.
    IEnumerable<string> Names(string type)
    {
        var inner = type.IndexOf('.') + 1;
        for (var end = type.Length; end > 0; end = type.LastIndexOf('.', end - 1))
        {
            if (end <= longest)
                yield return type[..end];
            if (inner > 0 && inner < end && end - inner <= longest)
                yield return type[inner..end];
        }

        yield return AnyType;
    }

    static Dictionary<string, object> Values(int count) => new() { ["count"] = count, ["one"] = count == 1 };

    void TryFrame(PromptFile file)
    {
        var cases =
            from opening in Enum.GetValues<Opening>()
            from count in (int[])[1, 2]
            from recap in (bool[])[true, false]
            select (Text: Frame(opening, "why", count, "advice", recap), Recap: recap);

        foreach (var (text, recap) in cases)
        {
            if (!ShowsOnce(text, EventsMark))
                throw file.Wrong("must show {{events}} once, whatever the case, on a line of its own.");

            if (recap && !ShowsOnce(text, RecapMark))
                throw file.Wrong("must show {{recap}} once, whatever the case, on a line of its own. It is empty when there is none.");
        }
    }

    static bool ShowsOnce(string text, string mark) =>
        text.Split('\n').Count(x => x == mark) == 1 && text.Split(mark).Length == 2;
}

/// <summary>What a session knows already when it is told of a wake.</summary>
enum Opening
{
    /// <summary>Everything up to now.</summary>
    Resumed,

    /// <summary>This very wake, in a turn that was cut short.</summary>
    Again,

    /// <summary>Nothing: it begins.</summary>
    First,

    /// <summary>Nothing: it takes the place of another.</summary>
    Replaced,
}
