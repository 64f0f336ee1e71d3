using System.ComponentModel;
using Microsoft.AspNetCore.Mvc;
using Wake.Contracts;
using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary><c>/v1/sessions</c>: register, list, show, close, reset, wake.</summary>
static class SessionsApi
{
    public static void MapSessions(this IEndpointRouteBuilder routes)
    {
        var sessions = routes.MapGroup("/v1/sessions").WithTags("sessions");

        sessions
            .MapPost("", Create)
            .RequireScope(ApiScopes.SessionsWrite)
            .WithIdempotencyKey()
            .WithName("CreateSession")
            .WithSummary("Register a session.")
            .Produces<Contract.Session>(StatusCodes.Status201Created)
            .Produces<Contract.Session>()
            .ProducesValidationProblem()
            .ProducesProblem(StatusCodes.Status409Conflict);
        sessions
            .MapGet("", List)
            .RequireScope(ApiScopes.SessionsRead)
            .WithName("ListSessions")
            .WithSummary("Sessions, open ones by key unless asked for others.")
            .WithNextPage()
            .Produces<IReadOnlyList<Contract.Session>>()
            .ProducesValidationProblem();
        sessions
            .MapGet("/{key}", Show)
            .RequireScope(ApiScopes.SessionsRead)
            .AllowRunTokens()
            .WithName("ShowSession")
            .WithSummary("One session.")
            .Produces<Contract.Session>()
            .ProducesProblem(StatusCodes.Status404NotFound);
        sessions
            .MapDelete("/{key}", Close)
            .RequireScope(ApiScopes.SessionsWrite)
            .WithName("CloseSession")
            .WithSummary("Close a session: no more turns, no more watches.")
            .Produces(StatusCodes.Status204NoContent)
            .ProducesProblem(StatusCodes.Status404NotFound);
        sessions
            .MapDelete("", CloseBySubject)
            .RequireScope(ApiScopes.SessionsWrite)
            .WithName("CloseSessions")
            .WithSummary("Close the sessions that belong to a subject.")
            .WithDescription(
                "Those that have it by the key that a route gives them, and those that watch it by name; at most 1000."
            )
            .Produces<Contract.ClosedSessions>()
            .ProducesValidationProblem();
        sessions
            .MapPost("/{key}/reset", Reset)
            .RequireScope(ApiScopes.SessionsWrite)
            .WithIdempotencyKey()
            .WithName("ResetSession")
            .WithSummary("Have a session begin afresh with its next turn.")
            .WithDescription(
                "The next turn begins a new Claude session, which knows nothing of the one before. That one's "
                    + "transcript is kept. A turn that runs ends in the old one first, or is interrupted."
            )
            .Produces<Contract.ResetResult>()
            .ProducesProblem(StatusCodes.Status404NotFound);
        sessions
            .MapGet("/{key}/permissions", Permissions)
            .RequireScope(ApiScopes.SessionsRead)
            .WithName("ListPermissions")
            .WithSummary("The tool calls that a person has allowed a session to make without asking, the latest first.")
            .Produces<IReadOnlyList<Contract.AllowedCall>>()
            .ProducesProblem(StatusCodes.Status404NotFound);
        sessions
            .MapDelete("/{key}/permissions/{id:guid}", WithdrawPermission)
            .RequireScope(ApiScopes.QuestionsAnswer)
            .WithName("WithdrawPermission")
            .WithSummary("Withdraw what was allowed for a session: the next such call asks again.")
            .Produces(StatusCodes.Status204NoContent)
            .ProducesProblem(StatusCodes.Status404NotFound);
        sessions
            .MapGet("/{key}/turns", Turns)
            .RequireScope(ApiScopes.SessionsRead)
            .AllowRunTokens()
            .WithName("ListTurns")
            .WithSummary(
                "A session's turns, the newest first; pass the number of the last as before for the next page."
            )
            .Produces<IReadOnlyList<Contract.Turn>>()
            .ProducesProblem(StatusCodes.Status404NotFound);
        sessions
            .MapPost("/{key}/wake", Wake)
            .RequireScope(ApiScopes.SessionsWrite)
            .WithIdempotencyKey()
            .WithMetadata(new PreferWait.SupportsPreferWait())
            .WithName("WakeSession")
            .WithSummary("Wake a session now, for a reason of your own. Ends a park.")
            .WithDescription(
                "With Prefer: wait=N it answers when the turn is over (200), or after N seconds with what is known by "
                    + "then (202). A wish with a dedupKey that this session had before is a duplicate: it wakes "
                    + "nobody, and what is waited for is the turn of the first."
            )
            .Produces<Contract.AwaitedDecision>()
            .Produces<Contract.IntakeResult>(StatusCodes.Status202Accepted)
            .ProducesValidationProblem()
            .ProducesProblem(StatusCodes.Status404NotFound);
    }

    static async Task<IResult> Create(
        Contract.NewSession body,
        HttpContext http,
        Sessions sessions,
        CancellationToken cancel,
        [FromServices] RegistrationNoticeProvider? notice = null
    )
    {
        var problems = RequestValidation.Collect(
            RequestValidation.RequiredText("key", body.Key, EventLimits.MaxKeyLength),
            RequestValidation.RequiredText("workspace", body.Workspace, 4096),
            RequestValidation.OptionalText("profile", body.Profile, EventLimits.MaxNameLength)
        );
        if (body.Key is "." or "..")
            problems.Add(("key", "must not be . or .., which cannot stand in a URL."));
        if (body.Workspace is { } path && WorkspaceDirectory.Problem(path) is { } wrong)
            problems.Add(("workspace", wrong));
        Guid? claudeSessionId = null;
        if (body.ClaudeSessionId is { } text)
        {
            if (Guid.TryParseExact(text, "D", out var id))
                claudeSessionId = id;
            else
                problems.Add(("claudeSessionId", "must be a UUID like 01234567-89ab-cdef-0123-456789abcdef."));
        }

        if (problems.Count > 0)
            return ProblemResults.Invalid(problems);

        return await sessions.Create(
            body.Key!,
            Path.TrimEndingDirectorySeparator(body.Workspace!),
            body.Profile ?? Profiles.DefaultName,
            claudeSessionId,
            cancel,
            http.NewOperationId()
        ) switch
        {
            SessionCreation.Created { Session: var created } => Results.Created(
                $"/v1/sessions/{Uri.EscapeDataString(created.Key)}",
                await WithNotice(created, sessions, notice, cancel)
            ),
            SessionCreation.AlreadyExists { Session: var there } => Results.Ok(
                await WithNotice(there, sessions, notice, cancel)
            ),
            SessionCreation.KeyTaken { Session: var there } => ProblemResults.Create(
                StatusCodes.Status409Conflict,
                $"The key {there.Key} belongs to an open session with other values (workspace {there.Workspace}, "
                    + $"profile {there.Profile}). "
                    + "Choose another key, or close that session first."
            ),
            SessionCreation.ClaudeSessionTaken { Owner: var owner } => Results.Problem(
                $"Claude session {claudeSessionId} belongs to the session {owner}. Two sessions on it would "
                    + "overwrite each other's memory.",
                statusCode: StatusCodes.Status409Conflict,
                extensions: new Dictionary<string, object?> { ["owner"] = owner }
            ),
            var unknown => throw new InvalidOperationException($"Unknown {unknown}."),
        };
    }

    static async Task<Contract.Session> WithNotice(
        Session session,
        Sessions sessions,
        RegistrationNoticeProvider? notice,
        CancellationToken cancel
    ) => session.ToContract(notice?.GetNotice(session, await sessions.FindRegisteredClaudeSession(session.Id, cancel)));

    static async Task<IResult> List(
        HttpContext http,
        Sessions sessions,
        CancellationToken cancel,
        [Description("Only those whose keys come after this one.")] string? after = null,
        int limit = 100,
        [Description("Only those in this state.")] string? state = null,
        [Description("Only those of this profile.")] string? profile = null,
        [Description("Only those with a watch that matches this subject.")] string? subject = null,
        [Description("Only those that work in this directory or below it.")] string? workspace = null,
        [Description("Closed ones instead of open ones.")] bool closed = false,
        [Description("Only those with this text in their key or workspace, or in a watch's subject or intent.")]
            string? text = null,
        [Description("By what they are ordered: key, created, lastTurn, cost or inbox; -cost: the greatest first.")]
            string sort = "key",
        [Description(PageLinks.CursorDescription)] string? cursor = null
    )
    {
        if (RequestValidation.ValidateLimit(limit) is { } wrong)
            return wrong;

        List<(string, string)> problems = [];
        if (!RequestValidation.TryParseWord<SessionState>("state", state, problems, out var wanted))
            return ProblemResults.Invalid(problems);
        if (!SessionOrder.TryParse(sort, out var order))
        {
            return ProblemResults.Invalid(
                "sort",
                $"must be one of {string.Join(", ", SessionOrder.Names)}, with - before it for the greatest first."
            );
        }

        var query = new SessionQuery
        {
            State = wanted,
            Profile = profile,
            Subject = subject,
            Workspace = workspace,
            Closed = closed,
            Text = text,
            AfterKey = after,
            Order = order,
        };
        try
        {
            var page = await sessions.List(query, limit, cursor, cancel);
            http.LinkNextPage(page.Next);
            return Results.Ok(page.Rows.Select(x => x.ToContract()));
        }
        catch (PageCursorException)
        {
            return PageLinks.InvalidCursor();
        }
    }

    static async Task<IResult> Show(
        PathKey named,
        Sessions sessions,
        CancellationToken cancel,
        [FromServices] RegistrationNoticeProvider? notice = null
    ) =>
        await sessions.Find(named.Value, cancel) is { } session
            ? Results.Ok(await WithNotice(session, sessions, notice, cancel))
            : SessionNotFound(named);

    static async Task<IResult> Close(
        PathKey named,
        HttpContext http,
        Sessions sessions,
        WakeTimers timers,
        CancellationToken cancel
    )
    {
        if (!await sessions.Close(named.Value, cancel, By(http)))
            return SessionNotFound(named);

        await timers.NotifySweepers();
        return Results.NoContent();
    }

    static async Task<IResult> CloseBySubject(
        HttpContext http,
        Sessions sessions,
        WakeTimers timers,
        CancellationToken cancel,
        [Description("The subject; with a * in it a pattern. Required.")] string? subject = null
    )
    {
        if (RequestValidation.RequiredText("subject", subject, EventLimits.MaxKeyLength) is { } problem)
            return ProblemResults.Invalid([problem]);

        var closed = await sessions.CloseBySubject(subject!, cancel, By(http));
        if (closed is not [])
            await timers.NotifySweepers();
        return Results.Ok(new Contract.ClosedSessions(closed));
    }

    static async Task<IResult> Reset(
        PathKey named,
        Contract.ResetRequest body,
        HttpContext http,
        Sessions sessions,
        CancellationToken cancel
    ) =>
        await sessions.Reset(named.Value, body.Interrupt, cancel, By(http)) is { } reset
            ? Results.Ok(new Contract.ResetResult(reset.Any, reset.ClaudeSessionId, reset.AfterWake, reset.Interrupted))
            : SessionNotFound(named);

    static async Task<IResult> Permissions(
        PathKey named,
        Sessions sessions,
        Questions questions,
        CancellationToken cancel
    ) =>
        await sessions.Find(named.Value, cancel) is { } session
            ? Results.Ok((await questions.ListForSession(session.Id, cancel)).Select(x => x.ToContract()))
            : SessionNotFound(named);

    static async Task<IResult> WithdrawPermission(
        PathKey named,
        Guid id,
        HttpContext http,
        Sessions sessions,
        Questions questions,
        CancellationToken cancel
    )
    {
        if (await sessions.Find(named.Value, cancel) is not { } session)
            return SessionNotFound(named);

        return await questions.Withdraw(session.Id, id, By(http), cancel)
            ? Results.NoContent()
            : ProblemResults.Create(
                StatusCodes.Status404NotFound,
                $"Question {id} allows session {named.Value} nothing, or no longer."
            );
    }

    static async Task<IResult> Turns(
        PathKey named,
        Sessions sessions,
        CancellationToken cancel,
        int limit = 100,
        int before = int.MaxValue
    ) =>
        RequestValidation.ValidateLimit(limit)
        ?? (
            await sessions.Find(named.Value, cancel) is { } session
                ? Results.Ok((await sessions.ListTurns(session.Id, limit, cancel, before)).Select(x => x.ToContract()))
                : SessionNotFound(named)
        );

    static async Task<IResult> Wake(
        PathKey named,
        Contract.WakeRequest body,
        HttpContext http,
        Sessions sessions,
        TurnHolds holds,
        EventIngress door,
        PreferWait waiting,
        CancellationToken cancel
    )
    {
        var problems = RequestValidation.Collect(
            RequestValidation.RequiredText("reason", body.Reason, EventLimits.MaxReasonLength),
            body.DedupKey is null
                ? null
                : RequestValidation.RequiredText("dedupKey", body.DedupKey, EventLimits.MaxKeyLength)
        );
        if (problems.Count > 0)
            return ProblemResults.Invalid(problems);

        if (await sessions.Find(named.Value, cancel) is not { Closed: null } session)
            return SessionNotFound(named);

        // Before the wake, which may be claimed as soon as it is accepted.
        if (body.Takeover)
            await holds.AllowTakeover(session.Id, cancel);

        var wake = WakeRequested.Create(session.Key, body.Reason!, body.DedupKey) with
        {
            Id = http.NewOperationId().ToString(),
            Actor = By(http),
        };
        var decisions = await door.Accept(http, [wake], cancel);

        // It was granted before: that turn has run, or waits and may run now.
        if (body.Takeover && decisions[0].Outcome is IntakeOutcome.Duplicate)
            await holds.ClearTakeover(session.Id, cancel);

        if (session.Paused is { } pause)
        {
            var waits = $"{pause.Sentence} The wake waits for that.";
            decisions = [decisions[0] with { Warnings = [.. decisions[0].Warnings ?? [], waits] }];
        }

        return await waiting.WaitForTurns(http, decisions) is { } awaited
            ? EventsApi.AwaitedResult(single: true, awaited)
            : Results.Accepted(null, decisions[0].ToContract());
    }

    /// <summary>Who does it, as the ledger says it.</summary>
    internal static string By(HttpContext http) => $"{Caller.From(http).Name} over the API";

    internal static IResult SessionNotFound(PathKey named) =>
        ProblemResults.Create(
            StatusCodes.Status404NotFound,
            $"There is no open session {named.Value}. wake sessions lists them."
        );
}
