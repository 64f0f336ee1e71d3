using System.CommandLine;
using System.Text.Json;
using Spectre.Console;
using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary><c>wake answer</c>: a person answers what a session asks.</summary>
sealed class AnswerCommand : ClientCommand
{
    const string OtherOption = "something else";

    // As much of a hash as nobody hits by chance.
    const int MinHashLength = 12;

    readonly Argument<Guid> id = IdFormat.Argument("QUESTION-ID", "The question's id, as wake questions shows it.");

    readonly Option<string[]> answers = new("--answer")
    {
        HelpName = "TEXT",
        Description =
            "The label of an option, or any other text; of several, with a comma between. Once for each question, in "
            + "their order. Without it they are asked here.",
    };

    readonly Option<bool> allow = CommonOptions.Flag(
        "--allow",
        "Allow the tool call it asks about, this once. All of it is shown before."
    );

    readonly Option<bool> forSession = CommonOptions.Flag(
        "--for-session",
        "With --allow: this session may make the same call again without asking, until that is withdrawn (wake "
            + "sessions permissions) or the session is reset."
    );

    readonly Option<string?> hash = new("--hash")
    {
        HelpName = "HEX",
        Description =
            $"The hash of the call that is allowed, or its first {MinHashLength} digits or more, as wake questions "
            + "show has it. Needed off a terminal where the call is too long for the list.",
    };

    readonly Option<string?> deny = new("--deny")
    {
        HelpName = "WHY",
        Description = "Do not allow it, and tell the session why.",
    };

    public AnswerCommand()
        : base(
            "answer",
            "Answers what a session asks. It goes on with that, on any runner; the first answer counts.",
            """
            Examples:
              wake answer 01234567-89ab-cdef-0123-456789abcdef
              wake answer 01234567-89ab-cdef-0123-456789abcdef --answer Blue --answer "S, L" --answer "not before Monday"
              wake answer 01234567-89ab-cdef-0123-456789abcdef --allow
              wake answer 01234567-89ab-cdef-0123-456789abcdef --allow --for-session
              wake answer 01234567-89ab-cdef-0123-456789abcdef --allow --hash 3b1f4a0c92de
              wake answer 01234567-89ab-cdef-0123-456789abcdef --deny "not on a Friday"
            """
        ) => Accepts(id, answers, allow, forSession, hash, deny);

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var path = $"/v1/questions/{given.GetRequiredValue(id)}";
        var question = (await wake.Get(path, cancel)).EnsureSuccess().ReadAs(CliJson.Default.Question);
        var body = question.Permission is null
            ? await AnswersBody(question, given, output, cancel)
            : await PermissionBody(question, given, output, cancel);
        var answer = (await wake.Post($"{path}/answer", body, RequestJson.Default.NewAnswer, cancel)).EnsureSuccess();

        if (output.Json)
            output.Raw(answer.Body);
        else
            output.Line($"Answered; {question.Session} goes on.");
        return 0;
    }

    async Task<NewAnswer> PermissionBody(Question question, ParseResult given, Output output, CancellationToken cancel)
    {
        var (allowed, why) = (given.GetValue(allow), given.GetValue(deny));
        if (given.GetValue(answers) is { Length: > 0 } || (allowed && why is not null))
            throw new CommandException("It asks whether it may call a tool: say either --allow or --deny WHY.");

        if (given.GetValue(hash) is not null && !allowed)
            throw new CommandException("--hash says what is allowed: say it with --allow.");

        if (given.GetValue(forSession) && !allowed)
            throw new CommandException("--for-session says for how long a call is allowed: say it with --allow.");

        if (question.Outcome is null && why is null)
        {
            // What has no hash cannot be allowed; the API says why.
            var named = ConfirmsWholeCall(question, given.GetValue(hash)) || question.Permission!.Hash is null;
            if (!allowed && IsNonInteractive(output))
                throw new CommandException("Say --allow or --deny WHY, or ask for this on a terminal.");
            if (allowed && !named && IsNonInteractive(output))
            {
                throw new CommandException(
                    $"The list does not show all of this call. wake questions show {question.Id} does, with its "
                        + "hash: allow it with --hash, or on a terminal."
                );
            }

            if (!output.Json)
                QuestionsCommand.Show(question, output);
            if (!allowed || !named)
                allowed = await new ConfirmationPrompt("Allow it?") { DefaultValue = false }.ShowAsync(
                    AnsiConsole.Console,
                    cancel
                );
            if (!allowed)
                why = await new TextPrompt<string>("Why not?").AllowEmpty().ShowAsync(AnsiConsole.Console, cancel);
        }

        return new(
            Answers: null,
            allowed,
            why is { Length: > 0 } ? why : null,
            allowed ? question.Permission!.Hash : null,
            ForSession: allowed && given.GetValue(forSession)
        );
    }

    // Whether the person knows the whole: by its hash, or because the list shows all of it.
    static bool ConfirmsWholeCall(Question question, string? given)
    {
        var hash = question.Permission!.Hash;
        if (
            given is not null
            && (given.Length < MinHashLength || hash?.StartsWith(given, StringComparison.OrdinalIgnoreCase) != true)
        )
        {
            throw new CommandException(
                $"Not allowed: this is not the hash of that call, or less than {MinHashLength} digits of it. wake "
                    + $"questions show {question.Id} shows the call and its hash."
            );
        }

        return given is not null || question.Permission.Whole;
    }

    async Task<NewAnswer> AnswersBody(Question question, ParseResult given, Output output, CancellationToken cancel)
    {
        if (given.GetValue(allow) || given.GetValue(forSession) || given.GetValue(deny) is not null)
            throw new CommandException("It asks questions: say the answers with --answer.");

        var asked = question.Questions.DistinctBy(x => x.Question).ToList();
        var texts =
            given.GetValue(answers) is { Length: > 0 } told ? told
            : question.Outcome is null ? await Prompt(asked, output, cancel)
            : [];
        if (question.Outcome is null && texts.Count != asked.Count)
            throw new CommandException(
                $"It asks {asked.Count} questions, and there are {texts.Count} answers: one --answer for each, in "
                    + "their order."
            );

        return new(
            asked
                .Zip(texts)
                .ToDictionary(
                    x => x.First.Question,
                    x => JsonSerializer.SerializeToElement(x.Second, RequestJson.Default.String)
                ),
            Allow: null,
            Message: null
        );
    }

    static bool IsNonInteractive(Output output) =>
        output.Json || Console.IsInputRedirected || Console.IsOutputRedirected;

    static async Task<IReadOnlyList<string>> Prompt(
        IReadOnlyList<QuestionItem> asked,
        Output output,
        CancellationToken cancel
    )
    {
        if (IsNonInteractive(output))
            throw new CommandException("Say the answers with --answer, or ask for this on a terminal.");

        List<string> texts = [];
        foreach (var item in asked)
            texts.Add(await Prompt(item, cancel));
        return texts;
    }

    static async Task<string> Prompt(QuestionItem item, CancellationToken cancel)
    {
        var title = Markup.Escape(Output.Visible(item.Question));
        var options = item.Options.Select(x => x.Label).Distinct().ToList();
        List<string> chosen =
            options is [] ? [OtherOption]
            : item.MultiSelect
                ? await new MultiSelectionPrompt<string>()
                    .Title(title)
                    .UseConverter(Shown)
                    .AddChoices([.. options, OtherOption])
                    .ShowAsync(AnsiConsole.Console, cancel)
            :
            [
                await new SelectionPrompt<string>()
                    .Title(title)
                    .UseConverter(Shown)
                    .AddChoices([.. options, OtherOption])
                    .ShowAsync(AnsiConsole.Console, cancel),
            ];

        var texts = chosen.Where(options.Contains).ToList();
        if (texts.Count < chosen.Count)
            texts.Add(await new TextPrompt<string>($"{title} ").ShowAsync(AnsiConsole.Console, cancel));
        return string.Join(", ", texts);

        string Shown(string label) =>
            Markup.Escape(
                Output.Visible(
                    item.Options.FirstOrDefault(x => x.Label == label) is { Description: { Length: > 0 } text }
                        ? $"{label}: {text}"
                        : label
                )
            );
    }
}
