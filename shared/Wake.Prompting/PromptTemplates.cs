using System.Globalization;
using System.Text.RegularExpressions;
using HandlebarsDotNet;
using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.Store;

namespace Wake.Prompting;

/// <summary>
/// The templates, and the choice among them. What is wrong with one of the owner's is said here, at the start, and not
/// by a turn at night. The built-in ones are known to be right, and compiled when they are needed.
/// </summary>
/// <remarks>
/// No template ever sees text from outside. Where that goes a template writes a mark, which <see cref="WakePrompt"/>
/// replaces by the block; so no template, however it is written, lets text out of its block.
/// </remarks>
sealed partial class PromptTemplates
{
    // No text that Wake puts into a prompt holds the control character.
    public const string EventsMark = "\u0001events";
    public const string RecapMark = "\u0001recap";

    /// <summary>Characters of an event's data that a session reads where no template says how many.</summary>
    public const int DefaultDataLimit = 1000;

    /// <summary>The most that a template can say.</summary>
    public const int MaxDataLimit = 10_000;

    const string AnyType = "event";

    readonly Dictionary<string, Func<IReadOnlyDictionary<string, object>, string>> templates = [];
    readonly Dictionary<string, int> data = [];
    readonly int longest;

    /// <summary>Reads them, and tries each of the owner's with all it may ever be given.</summary>
    /// <param name="folder">The owner's; null for the built-in ones alone.</param>
    /// <exception cref="OptionsValidationException">A template is wrong; the message names it and says
    /// what.</exception>
    public PromptTemplates(string? folder)
    {
        var engine = new Lazy<IHandlebars>(CreateEngine);
        foreach (var file in PromptTemplateFile.LoadAll(folder))
        {
            try
            {
                // What failed once is tried again.
                var template = new Lazy<HandlebarsTemplate<object, object>>(
                    () => Compile(engine.Value, DataMark().Replace(file.Text, "")),
                    LazyThreadSafetyMode.PublicationOnly
                );
                templates[file.Name] = values => template.Value(values).Trim();
                data[file.Name] = ReadDataLimit(file);

                if (file.IsBuiltIn)
                    continue;
                if (file.Name is PromptTemplateFile.Frame)
                    ValidateFrame(file);
                else
                    Array.ForEach([1, 2], count => templates[file.Name](TemplateValues(count)));
            }
            // The engine has no exception in common for what can be wrong with a template.
            catch (Exception wrong) when (wrong is not OptionsValidationException)
            {
                throw file.CreateException($"cannot be used: {wrong.Message.ReplaceLineEndings(" ")}");
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
    public string RenderFrame(PromptOpening opening, string why, int count, string advice, bool recap) =>
        templates[PromptTemplateFile.Frame]
            (
                new Dictionary<string, object>(TemplateValues(count))
                {
                    ["again"] = opening is PromptOpening.Retry,
                    ["first"] = opening is PromptOpening.NewSession,
                    ["replaced"] = opening is PromptOpening.Replaced,
                    ["resumed"] = opening is PromptOpening.Resumed,
                    ["why"] = why,
                    ["advice"] = advice,
                    ["recap"] = recap ? RecapMark : "",
                    ["events"] = EventsMark,
                }
            );

    /// <summary>What there is to say about these events: each template once, in the order of the events.</summary>
    public string RenderAdvice(IEnumerable<TurnEvent> events, bool remembers) =>
        string.Join(
            "\n\n",
            events
                .GroupBy(x => ChooseTemplate(x, remembers))
                .Select(x => templates[x.Key](TemplateValues(x.Count())))
                .Where(x => x.Length > 0)
        );

    /// <summary>How many characters of its data a session reads of an event.</summary>
    public int DataLimit(TurnEvent observed, bool remembers) => data[ChooseTemplate(observed, remembers)];

    /// <summary>
    /// The template for an event, the most particular of its type there is. A session that remembers is told the delta,
    /// and in full where there is none. What Wake's own templates say, that somebody has asked for this, they say of
    /// what Wake itself says.
    /// </summary>
    public string ChooseTemplate(TurnEvent observed, bool remembers)
    {
        string[] forms = remembers
            ? [PromptTemplateFile.Once, PromptTemplateFile.Delta, PromptTemplateFile.Full]
            : [PromptTemplateFile.Once, PromptTemplateFile.Full];
        return CandidateNames(observed.Type)
            .Where(name => observed.IsWakeRequest || !EventValidation.IsReserved(name))
            .SelectMany(name => forms.Select(form => name + form))
            .First(templates.ContainsKey);
    }

    // github.ci.completed, ci.completed, github.ci, ci, github, event: who saw it comes first in a type and says the
    // least. A type may also be a hundred dots, so names that are longer than any template's are not even made.
    IEnumerable<string> CandidateNames(string type)
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

    static IHandlebars CreateEngine() =>
        Handlebars.Create(
            new HandlebarsConfiguration
            {
                NoEscape = true,
                ThrowOnUnresolvedBindingExpression = true,
                FormatProvider = CultureInfo.InvariantCulture,
            }
        );

    // Handlebars.Net limits the time of its expressions, and a machine that is starved exceeds that with any text.
    static HandlebarsTemplate<object, object> Compile(IHandlebars engine, string text)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                lock (engine)
                    return engine.Compile(text);
            }
            catch (RegexMatchTimeoutException) when (attempt < 20) { }
        }
    }

    static Dictionary<string, object> TemplateValues(int count) => new() { ["count"] = count, ["one"] = count == 1 };

    static int ReadDataLimit(PromptTemplateFile file)
    {
        var marks = DataMark().Matches(file.Text);
        return marks is [] ? DefaultDataLimit
            : file.Name is PromptTemplateFile.Frame
                ? throw file.CreateException("cannot say {{data}}, which the templates of types do.")
            : marks is [var mark]
            && int.TryParse(
                mark.Groups["characters"].Value,
                NumberStyles.None,
                CultureInfo.InvariantCulture,
                out var characters
            )
            && characters <= MaxDataLimit
                ? characters
            : throw file.CreateException($"must say {{{{data}}}} once at most, with a number up to {MaxDataLimit}.");
    }

    void ValidateFrame(PromptTemplateFile file)
    {
        var cases =
            from opening in Enum.GetValues<PromptOpening>()
            from count in (int[])[1, 2]
            from recap in (bool[])[true, false]
            select (Text: RenderFrame(opening, "why", count, "advice", recap), Recap: recap);

        foreach (var (text, recap) in cases)
        {
            if (!ShowsOnce(text, EventsMark))
                throw file.CreateException("must show {{events}} once, whatever the case, on a line of its own.");

            if (recap && !ShowsOnce(text, RecapMark))
                throw file.CreateException(
                    "must show {{recap}} once, whatever the case, on a line of its own. It is empty when there is none."
                );
        }
    }

    static bool ShowsOnce(string text, string mark) =>
        text.Split('\n').Count(x => x == mark) == 1 && text.Split(mark).Length == 2;

    [GeneratedRegex(@"\{\{\s*data\s+(?<characters>[0-9]+)\s*\}\}", RegexOptions.ExplicitCapture)]
    private static partial Regex DataMark();
}

/// <summary>What a session knows already when it is told of a wake.</summary>
enum PromptOpening
{
    /// <summary>Everything up to now.</summary>
    Resumed,

    /// <summary>This very wake, in a turn that was cut short.</summary>
    Retry,

    /// <summary>Nothing: it begins.</summary>
    NewSession,

    /// <summary>Nothing: it takes the place of another.</summary>
    Replaced,
}
