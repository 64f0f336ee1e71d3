using System.CommandLine;
using System.Text.Json;
using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary><c>wake questions</c>: what sessions ask people; shows one with all of the call it asks about.</summary>
sealed class QuestionsCommand : ClientCommand
{
    const int Limit = 1000;

    readonly Option<Guid?> after = IdFormat.Option("--after", "ID", "Only those that were asked after this one.");

    public QuestionsCommand()
        : base(
            "questions",
            $"Lists the questions that wait for an answer, up to {Limit}.",
            """
            Example:
              wake questions
              wake questions show 01234567-89ab-cdef-0123-456789abcdef
            """
        )
    {
        Accepts(after);
        Add(new ShowQuestionCommand());
    }

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var from = given.GetValue(after) is { } id ? $"&after={id}" : "";
        var answer = (await wake.Get($"/v1/questions?limit={Limit}{from}", cancel)).EnsureSuccess();
        if (output.Json)
        {
            output.Raw(answer.Body);
            return 0;
        }

        var questions = answer.ReadAs(CliJson.Default.QuestionArray);
        foreach (var question in questions)
            Show(question, output);

        if (questions is [])
            Output.Note("Nothing is asked.");
        if (questions.Length == Limit)
            Output.Note($"There may be more: wake questions --after={questions[^1].Id}");
        return 0;
    }

    /// <summary>A question with all there is to choose from, and as much of a call as there is.</summary>
    public static void Show(Question question, Output output)
    {
        var asked = TimeFormat.Format(question.AskedAt);
        output.Line(
            $"[bold]{question.Id}[/]  {question.Session}, wake {question.Wake}, asked {asked}{DeadlineText(question)}"
        );
        if (question.Permission is { } permission)
        {
            output.Line(
                $"  asks to be allowed: {permission.Tool}{(permission.Why is { Length: > 0 } why ? $" ({why})" : "")}"
            );
            foreach (
                var (name, value) in Fields(permission.Call is { } call ? JsonElement.Parse(call) : permission.Input)
            )
            {
                // Its own line breaks are seen as such, and no line of it passes for another field.
                var lines = value.Split('\n');
                output.Line($"    {name}: {lines[0]}");
                foreach (var line in lines[1..])
                    output.Line($"      | {line}");
            }

            if (permission.Hash is { } hash)
                output.Line($"    [dim]hash: {hash}[/]");
            else if (!permission.Whole)
                output.Line($"    Not all of it is shown. All of it: wake questions show {question.Id}");
        }

        foreach (var item in question.Questions)
        {
            output.Line($"  {item.Question}{(item.MultiSelect ? " (several)" : "")}");
            foreach (var option in item.Options)
                output.Line(
                    $"    {option.Label}[dim]{(option.Description is { Length: > 0 } text ? $"  {text}" : "")}[/]"
                );
        }
    }

    static IEnumerable<(string Name, string Value)> Fields(JsonElement input) =>
        input.ValueKind is JsonValueKind.Object
            ? input
                .EnumerateObject()
                .Select(x =>
                    (x.Name, x.Value.ValueKind is JsonValueKind.String ? x.Value.GetString()! : x.Value.GetRawText())
                )
            : [("input", input.GetRawText())];

    static string DeadlineText(Question question) =>
        question.Deadline is { } end ? $", until {TimeFormat.Format(end)}" : "";
}
