using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary><c>/v1/terminals</c>: sessions that a person has open, for the plugin of Claude Code.</summary>
static class TerminalsApi
{
    // A name is host, number and start of a process.
    const int MaxTerminal = 200;

    // The CLI cuts what a hook says at this length.
    const int MaxPrompt = 100_000;

    const int MaxPath = 1_000;

    public static void MapTerminals(this IEndpointRouteBuilder routes)
    {
        var terminals = routes.MapGroup("/v1/terminals/{claudeSessionId:guid}").WithTags("terminals");

        terminals
            .MapPost("/hooks", Hook)
            .RequireScope(ApiScopes.SessionsWrite)
            .WithMetadata(new RequestSizeLimitAttribute(RequestBody.MaxBytes))
            .WithName("TellHook")
            .WithSummary("What a hook of Claude Code tells about a session that is open in a terminal.")
            .Produces<Contract.TerminalHookAnswer>()
            .ProducesValidationProblem()
            .ProducesProblem(StatusCodes.Status404NotFound);
        terminals
            .MapPost("/wait", Wait)
            .RequireScope(ApiScopes.SessionsWrite)
            .WithName("WaitForWake")
            .WithSummary("Attend a session: its next wake is this terminal's.")
            .WithDescription(
                "Answers with lines of JSON as long as the terminal is connected: what its status line shows, a turn "
                    + "once one is due and nothing else is under way there, and something every 15 seconds in any "
                    + "case. A turn is the terminal's once it has acknowledged it."
            )
            .Produces<Contract.TerminalLine>(contentType: "application/x-ndjson")
            .ProducesValidationProblem()
            .ProducesProblem(StatusCodes.Status404NotFound);
        terminals
            .MapPost("/acknowledge", Acknowledge)
            .RequireScope(ApiScopes.SessionsWrite)
            .WithName("AcknowledgeWake")
            .WithSummary("Take the turn that was sent, immediately before the session is woken.")
            .Produces(StatusCodes.Status204NoContent)
            .ProducesValidationProblem()
            .ProducesProblem(StatusCodes.Status404NotFound)
            .ProducesProblem(StatusCodes.Status409Conflict);
        terminals
            .MapPost("/state", State)
            .RequireScope(ApiScopes.SessionsWrite)
            .WithName("TellTerminalState")
            .WithSummary("Whether a turn is under way in the terminal.")
            .Produces(StatusCodes.Status204NoContent)
            .ProducesValidationProblem()
            .ProducesProblem(StatusCodes.Status404NotFound);
        terminals
            .MapGet("/transcript", ListTranscript)
            .RequireScope(ApiScopes.SessionsWrite)
            .WithName("ListTranscript")
            .WithSummary("The files of the session's transcript, as they are stored.")
            .Produces<IReadOnlyList<Contract.StoredTranscriptFile>>();
        terminals
            .MapPost("/transcript", SaveTranscript)
            .RequireScope(ApiScopes.SessionsWrite)
            .WithMetadata(new RequestSizeLimitAttribute(RequestBody.MaxBytes))
            .WithName("SaveTranscript")
            .WithSummary("Store what was appended to a file of the session's transcript.")
            .WithDescription("The body is the bytes of the file from stored to bytes, in whole lines.")
            .Produces(StatusCodes.Status204NoContent)
            .ProducesValidationProblem()
            .ProducesProblem(StatusCodes.Status404NotFound)
            .ProducesProblem(StatusCodes.Status409Conflict);
    }

    static async Task<IResult> Hook(
        Guid claudeSessionId,
        Contract.TerminalHook body,
        TerminalHooks hooks,
        CancellationToken cancel
    )
    {
        var problems = Problems(body.Terminal, body.Host);
        problems.AddRange(
            RequestValidation.Collect(
                RequestValidation.RequiredText("event", body.Event, EventLimits.MaxNameLength),
                RequestValidation.OptionalText("source", body.Source, EventLimits.MaxNameLength),
                RequestValidation.OptionalText("reason", body.Reason, EventLimits.MaxReasonLength)
            )
        );
        if (body.Workspace is { } path && WorkspaceDirectory.Problem(path) is { } wrong)
            problems.Add(("workspace", wrong));
        if (body.Prompt is { Length: > MaxPrompt })
            problems.Add(("prompt", $"must have at most {MaxPrompt} characters."));
        if (problems is not [])
            return ProblemResults.Invalid(problems);

        return await hooks.Handle(claudeSessionId, body, cancel) is { } answer
            ? Results.Ok(answer)
            : SessionNotFound(claudeSessionId);
    }

    static async Task<IResult> Wait(
        Guid claudeSessionId,
        Contract.TerminalWait body,
        HttpContext http,
        Terminals terminals,
        TerminalConnections connections,
        IOptions<Microsoft.AspNetCore.Http.Json.JsonOptions> json,
        CancellationToken cancel
    )
    {
        if (Problems(body.Terminal, body.Host) is { Count: > 0 } problems)
            return ProblemResults.Invalid(problems);
        if (await terminals.Find(claudeSessionId, cancel) is not { } session)
            return SessionNotFound(claudeSessionId);

        await TerminalHooks.OpenIfNew(terminals, session, claudeSessionId, PlaceOf(body), cancel);

        http.Response.ContentType = "application/x-ndjson";
        http.Response.Headers.CacheControl = "no-cache";
        http.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        await http.Response.Body.FlushAsync(cancel);
        try
        {
            await foreach (var line in connections.Serve(session, claudeSessionId, body, cancel))
            {
                byte[] bytes = [.. JsonSerializer.SerializeToUtf8Bytes(line, json.Value.SerializerOptions), (byte)'\n'];
                await http.Response.Body.WriteAsync(bytes, cancel);
                await http.Response.Body.FlushAsync(cancel);
            }
        }
        catch (OperationCanceledException)
        {
            // The terminal has gone, or Wake stops.
        }

        return Results.Empty;
    }

    static async Task<IResult> Acknowledge(
        Guid claudeSessionId,
        Contract.TerminalAcknowledgement body,
        Terminals terminals,
        TerminalConnections connections,
        CancellationToken cancel
    )
    {
        if (Problems(body.Terminal, host: null) is { Count: > 0 } problems)
            return ProblemResults.Invalid(problems);
        // The person waits for this answer. Whether the turn is the terminal's the rows say in any case.
        if (
            (connections.FindSession(body.Waiter, claudeSessionId) ?? await terminals.Find(claudeSessionId, cancel))
            is not { } session
        )
            return SessionNotFound(claudeSessionId);

        return await terminals.Acknowledge(
            body.Terminal!,
            body.Waiter,
            new(session.Id, body.WakeNumber, body.Epoch),
            cancel
        )
            ? Results.NoContent()
            : ProblemResults.Create(
                StatusCodes.Status409Conflict,
                $"Wake {body.WakeNumber} is not this terminal's any more. Wait again."
            );
    }

    static async Task<IResult> State(
        Guid claudeSessionId,
        Contract.TerminalState body,
        Terminals terminals,
        TerminalTurns turns,
        CancellationToken cancel
    )
    {
        if (Problems(body.Terminal, host: null) is { Count: > 0 } problems)
            return ProblemResults.Invalid(problems);
        if (await terminals.Find(claudeSessionId, cancel) is not { } session)
            return SessionNotFound(claudeSessionId);

        // Before anybody hears that it is over, and takes it for interrupted.
        if (body is { Idle: true, Unread: true })
            await turns.ReleaseUnread(session.Id, body.Terminal!, cancel);
        await terminals.SetBusy(session.Id, body.Terminal!, !body.Idle, cancel);
        return Results.NoContent();
    }

    static async Task<IResult> ListTranscript(
        Guid claudeSessionId,
        Transcripts transcripts,
        CancellationToken cancel
    ) =>
        Results.Ok(
            ((await transcripts.Find(claudeSessionId, cancel))?.Files ?? []).Select(
                x => new Contract.StoredTranscriptFile(x.Path, x.Bytes, Convert.ToHexStringLower(x.Sha256))
            )
        );

    static async Task<IResult> SaveTranscript(
        Guid claudeSessionId,
        string terminal,
        long stored,
        long bytes,
        int rows,
        string sha256,
        HttpContext http,
        Terminals terminals,
        Transcripts transcripts,
        CancellationToken cancel,
        string path = ""
    )
    {
        var problems = Problems(terminal, host: null);
        if (TranscriptPathProblem(path) is { } wrong)
            problems.Add(("path", wrong));
        if (stored < 0 || bytes <= stored || rows < 0)
            problems.Add(("bytes", "must be more than stored, which is not negative; nor are rows."));
        if (!TryParseHash(sha256, out var hash))
            problems.Add(("sha256", "must be 64 hexadecimal digits."));
        if (problems is not [])
            return ProblemResults.Invalid(problems);
        if (await terminals.Find(claudeSessionId, cancel) is not { } session)
            return SessionNotFound(claudeSessionId);
        if (await RequestBody.ReadBounded(http.Request.BodyReader, cancel) is not { } body)
            return RequestBody.TooLarge();

        var content = body.ToArray();
        http.Request.BodyReader.AdvanceTo(body.End);
        if (content.Length != bytes - stored)
            return ProblemResults.Invalid(
                "bytes",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"The body has {content.Length} bytes, not {bytes - stored}."
                )
            );

        var result = await transcripts.Save(
            session.Id,
            terminal,
            claudeSessionId,
            new(new(path, bytes, rows, hash), stored, () => new MemoryStream(content, writable: false)),
            cancel
        );
        if (result is TranscriptSaveResult.Conflict)
            return ProblemResults.Create(
                StatusCodes.Status409Conflict,
                "What is stored of this file is something else. Ask for the list again."
            );
        if (result is TranscriptSaveResult.TurnLost)
            return ProblemResults.Create(
                StatusCodes.Status409Conflict,
                "This terminal does not attend the session, or somebody else holds its turn."
            );

        if (await terminals.FindUnreadMarker(session.Id, terminal, cancel) is { } marker && IsRead(content, marker))
            await terminals.MarkBegun(session.Id, terminal, cancel);
        return Results.NoContent();
    }

    // Not what is only queued: a CLI that is killed forgets that.
    static bool IsRead(ReadOnlySpan<byte> rows, string marker)
    {
        var bytes = System.Text.Encoding.ASCII.GetBytes(marker);
        foreach (var range in rows.Split((byte)'\n'))
        {
            var row = rows[range];
            if (
                row.IndexOf(bytes) >= 0
                && (row.IndexOf("\"type\":\"user\""u8) >= 0 || row.IndexOf("\"queued_command\""u8) >= 0)
            )
                return true;
        }

        return false;
    }

    // As the runner will make a file of it.
    static string? TranscriptPathProblem(string path) =>
        path.Length > MaxPath || path.Contains('\0') || path.Contains('\\') ? "is not a path."
        : path.Length > 0 && path.Split('/').Any(x => x is "" or "." or "..")
            ? "must lie below the transcript's folder."
        : null;

    static bool TryParseHash(string text, out byte[] hash)
    {
        hash = new byte[32];
        return text.Length == 64
            && Convert.FromHexString(text, hash, out _, out var written) is OperationStatus.Done
            && written == 32;
    }

    static List<(string Field, string Problem)> Problems(string? terminal, string? host) =>
        RequestValidation.Collect(
            RequestValidation.RequiredText("terminal", terminal, MaxTerminal),
            RequestValidation.OptionalText("host", host, MaxTerminal)
        );

    internal static TerminalPlace PlaceOf(Contract.TerminalWait wait) =>
        PlaceOf(wait.Terminal!, wait.ProcessId, wait.Host);

    internal static TerminalPlace PlaceOf(string terminal, int processId, string? host) =>
        new(
            terminal,
            string.Create(CultureInfo.InvariantCulture, $"pid {processId}{(host is null ? "" : $" on {host}")}")
        );

    static IResult SessionNotFound(Guid claudeSessionId) =>
        ProblemResults.Create(
            StatusCodes.Status404NotFound,
            $"No open session has the Claude session {claudeSessionId}. To register it: wake sessions add KEY "
                + $"--claude-session {claudeSessionId} --workspace DIR"
        );
}
