using System.CommandLine;

namespace Wake.Cli;

/// <summary><c>wake questions show</c>: one question with the whole call that it asks about.</summary>
sealed class ShowQuestionCommand : ClientCommand
{
    readonly Argument<Guid> id = IdFormat.Argument("QUESTION-ID", "The question's id, as wake questions shows it.");

    public ShowQuestionCommand()
        : base(
            "show",
            "Shows one question, with the whole of the call that it asks to be allowed, and its hash.",
            """
            Example:
              wake questions show 01234567-89ab-cdef-0123-456789abcdef
            """
        ) => Accepts(id);

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var answer = (await wake.Get($"/v1/questions/{given.GetRequiredValue(id)}", cancel)).EnsureSuccess();
        if (output.Json)
            output.Raw(answer.Body);
        else
            QuestionsCommand.Show(answer.ReadAs(CliJson.Default.Question), output);
        return 0;
    }
}
