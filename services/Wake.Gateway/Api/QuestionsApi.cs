using System.Text.Json;
using Wake.Contracts;
using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary><c>/v1/questions</c>: what sessions ask people, and the answers.</summary>
static class QuestionsApi
{
    public static void MapQuestions(this IEndpointRouteBuilder routes)
    {
        var questions = routes.MapGroup("/v1/questions").WithTags("questions");

        questions
            .MapGet("", List)
            .RequireScope(ApiScopes.SessionsRead)
            .WithName("ListQuestions")
            .WithSummary(
                "The questions that wait for an answer, the oldest first; pass the id of the last as after for the "
                    + "next page."
            )
            .Produces<IReadOnlyList<Contract.Question>>()
            .ProducesValidationProblem();
        questions
            .MapGet("/{id:guid}", Show)
            .RequireScope(ApiScopes.SessionsRead)
            .WithName("ShowQuestion")
            .WithSummary("One question, open or settled, with the whole call it asks about and its hash.")
            .Produces<Contract.Question>()
            .ProducesProblem(StatusCodes.Status404NotFound);
        questions
            .MapPost("/{id:guid}/answer", Answer)
            .RequireScope(ApiScopes.QuestionsAnswer)
            .WithIdempotencyKey()
            .WithName("AnswerQuestion")
            .WithSummary(
                "Answer a question; its session goes on. The first answer counts. A call is allowed by the hash of "
                    + "the whole of it."
            )
            .Produces<Contract.Question>()
            .ProducesValidationProblem()
            .ProducesProblem(StatusCodes.Status404NotFound)
            .ProducesProblem(StatusCodes.Status409Conflict);
    }

    static async Task<IResult> List(Questions questions, CancellationToken cancel, int limit = 100, Guid? after = null)
    {
        if (RequestValidation.ValidateLimit(limit) is { } wrong)
            return wrong;

        var last = after is { } id ? await questions.Find(id, cancel) : null;
        return after is not null && last is null
            ? ProblemResults.Invalid("after", "is no question that was ever asked.")
            : Results.Ok((await questions.ListOpen(limit, cancel, last)).Select(x => x.ToContract()));
    }

    static async Task<IResult> Show(Guid id, Questions questions, CancellationToken cancel) =>
        await questions.Find(id, cancel) is { } question ? Results.Ok(question.ToContract()) : QuestionNotFound(id);

    static async Task<IResult> Answer(
        Guid id,
        Contract.NewAnswer body,
        HttpContext http,
        Questions questions,
        WakeTimers timers,
        CancellationToken cancel
    )
    {
        if (await questions.Find(id, cancel) is not { } question)
            return QuestionNotFound(id);

        if (question.Outcome is not null && !http.IsRetry())
            return AlreadySettled(question);

        if (body.Allow is true && question.Permission is { Hash: null })
        {
            return ProblemResults.Create(
                StatusCodes.Status409Conflict,
                $"Question {id} was asked by a runner of an older version, which has not kept the whole call, so it "
                    + "cannot be allowed. Deny it with the message to make the same call again: it is then asked "
                    + "about in full."
            );
        }

        var (answers, problems) = question.Permission is null
            ? ParseAnswers(question, body.Answers ?? [])
            : ([], ValidateDecision(body, question.Permission));
        if (
            question.Permission is null
            && (body.Allow is not null || body.Message is not null || AllowedHash(body) is not null || body.ForSession)
        )
            problems.Add(("allow", "and message are for permissions; these are questions."));
        if (problems.Count > 0)
            return ProblemResults.Invalid(problems);

        if (
            body.Allow is true
            && !string.Equals(question.Permission!.Hash, AllowedHash(body), StringComparison.OrdinalIgnoreCase)
        )
        {
            return ProblemResults.Create(
                StatusCodes.Status409Conflict,
                $"Not allowed: \"hash\" is that of another call than question {id} asks about. GET /v1/questions/{id} "
                    + "shows the whole call with its hash (permission.hash)."
            );
        }

        var decision = new PermissionAnswer(body.Allow is true, body.Message)
        {
            Shown = body.Allow is true ? question.Permission?.Hash : null,
            ForSession = body.ForSession,
        };
        var by = SessionsApi.By(http);
        var first = body.Allow is not null
            ? await questions.AnswerPermission(id, decision, cancel, by)
            : await questions.Answer(id, answers, cancel, by);
        var now = await questions.Find(id, cancel) ?? question;
        if (!first && !(http.IsRetry() && IsSameAnswer(now, answers, decision)))
            return AlreadySettled(now);

        await timers.NotifySweepers();
        return Results.Ok(now.ToContract());
    }

    static string? AllowedHash(Contract.NewAnswer body) => body.Hash ?? body.Shown;

    // The same request has been here before, and its answer was lost.
    static bool IsSameAnswer(Question question, Dictionary<string, string> answers, PermissionAnswer decision) =>
        question switch
        {
            { Decision: { } decided } => decided == decision,
            { Answers: { } given } => given.Count == answers.Count
                && answers.All(x => given.GetValueOrDefault(x.Key) == x.Value),
            _ => false,
        };

    static List<(string Field, string Problem)> ValidateDecision(Contract.NewAnswer body, PermissionRequest asked)
    {
        var problems = RequestValidation.Collect(
            RequestValidation.OptionalText("message", body.Message, EventLimits.MaxReasonLength)
        );
        if (body.Allow is null || body.Answers is { Count: > 0 })
            problems.Add(("allow", "must be true or false, without answers: it asks for a permission."));
        else if (body is { Allow: true, Message: not null })
            problems.Add(("message", "is told to the session only when it is not allowed."));
        else if (body.Allow is true && AllowedHash(body) is null or "")
        {
            problems.Add(
                (
                    "hash",
                    "must be the hash of the whole call, so that nothing is allowed unseen: permission.hash of GET "
                        + "/v1/questions/{id}, which shows all of it. wake answer sends it by itself; update it if "
                        + "it does not."
                )
            );
        }
        else if (body.Allow is false && AllowedHash(body) is not null)
            problems.Add(("hash", "is the hash of what is allowed; what is denied needs none."));
        if (body is { ForSession: true, Allow: not true })
            problems.Add(("forSession", "says for how long a call is allowed; this one is not."));
        else if (body.ForSession && !asked.FitsSession)
        {
            problems.Add(
                (
                    "forSession",
                    $"must be false: a call of more than {PermissionAnswer.MaxCallForSession} characters, or with a "
                        + "secret in it, is allowed once at a time."
                )
            );
        }
        return problems;
    }

    static (Dictionary<string, string> Answers, List<(string Field, string Problem)> Problems) ParseAnswers(
        Question question,
        Dictionary<string, JsonElement> given
    )
    {
        Dictionary<string, string> answers = [];
        List<(string, string)> problems = [];
        var known = question.Questions.Select(x => x.Question).Distinct().ToList();

        var asked = string.Join(", ", known.Select(x => $"\"{x}\""));
        foreach (var unknown in given.Keys.Except(known))
            problems.Add(("answers", $"has an answer to \"{unknown}\", which was not asked. Asked was: {asked}."));
        foreach (var item in question.Questions.DistinctBy(x => x.Question))
        {
            var text = given.TryGetValue(item.Question, out var answer) ? AnswerText(answer, item.MultiSelect) : "";
            if (text is null)
                problems.Add(
                    (
                        "answers",
                        $"must answer \"{item.Question}\" with a text{(item.MultiSelect ? " or a list of texts" : "")}."
                    )
                );
            else if (string.IsNullOrWhiteSpace(text))
                problems.Add(("answers", $"must answer \"{item.Question}\"."));
            else if (EventValidation.TextProblem(text, EventLimits.MaxReasonLength) is { } problem)
                problems.Add(("answers", $"to \"{item.Question}\" {problem}"));
            else
                answers[item.Question] = text;
        }

        return (answers, problems);
    }

    // Several are one text to the CLI.
    static string? AnswerText(JsonElement answer, bool multiSelect)
    {
        try
        {
            return answer.ValueKind switch
            {
                JsonValueKind.String => answer.GetString(),
                JsonValueKind.Array
                    when multiSelect && answer.EnumerateArray().All(x => x.ValueKind is JsonValueKind.String) =>
                    string.Join(", ", answer.EnumerateArray().Select(x => x.GetString())),
                _ => null,
            };
        }
        catch (InvalidOperationException)
        {
            // Half a character.
            return null;
        }
    }

    static IResult AlreadySettled(Question question) =>
        ProblemResults.Create(
            StatusCodes.Status409Conflict,
            question.Outcome switch
            {
                QuestionOutcome.Answered =>
                    $"Question {question.Id} was answered at {question.SettledAt:u}; the first answer counts.",
                QuestionOutcome.NoAnswer =>
                    $"Too late: the session went on without an answer to question {question.Id} at "
                        + $"{question.SettledAt:u}.",
                _ => $"The session that asked question {question.Id} was closed at {question.SettledAt:u}.",
            }
        );

    static IResult QuestionNotFound(Guid id) =>
        ProblemResults.Create(
            StatusCodes.Status404NotFound,
            $"There is no question {id}. wake questions lists the open ones."
        );
}
