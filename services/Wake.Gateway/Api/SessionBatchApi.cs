using Microsoft.AspNetCore.Mvc;
using Wake.Contracts;
using Wake.Prompting;
using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary><c>/v1/sessions/batch</c>: the same for many sessions.</summary>
static class SessionBatchApi
{
    public static void MapSessionBatch(this IEndpointRouteBuilder routes) =>
        routes
            .MapPost("/v1/sessions/batch", Run)
            .RequireScope(ApiScopes.SessionsWrite)
            .WithIdempotencyKey()
            // A thousand of the longest keys, each of their characters escaped.
            .WithMetadata(new RequestSizeLimitAttribute(RequestBody.MaxBytes))
            .WithTags("sessions")
            .WithName("BatchSessions")
            .WithSummary("Close, pause or wake many sessions: those of some keys, or those that a filter finds.")
            .WithDescription(
                "At most 1,000 in one request, in the order of their keys; when a filter finds more, the answer says "
                    + "after which key to go on. With dryRun it says which, and with expect it does nothing unless "
                    + "they are still as many. The ledger of each session says what was done and by whom."
            )
            .Produces<Contract.SessionBatchResult>()
            .ProducesValidationProblem()
            .ProducesProblem(StatusCodes.Status409Conflict);

    static async Task<IResult> Run(
        Contract.SessionBatch body,
        HttpContext http,
        Sessions sessions,
        Pauses pauses,
        WakeTimers timers,
        EventIngress door,
        TimeProvider time,
        CancellationToken cancel
    )
    {
        if (Problems(body, time) is { Count: > 0 } problems)
            return ProblemResults.Invalid(problems);

        var (keys, after) = await Find(body, sessions, cancel);
        var unknown = body.Keys?.Distinct().Except(keys).Order(StringComparer.Ordinal).ToList();
        if (body.Expect is { } expected && expected != keys.Count)
            return ProblemResults.Create(
                StatusCodes.Status409Conflict,
                $"It would be {keys.Count} sessions and not {expected}, so nothing was done. Look again which they are."
            );

        if (!body.DryRun && keys is not [])
        {
            keys = body.Action switch
            {
                Contract.SessionBatchAction.Close => await Close(keys, http, sessions, timers, cancel),
                Contract.SessionBatchAction.Pause => await Pause(keys, body, http, pauses, cancel),
                Contract.SessionBatchAction.Wake => await Wake(keys, body.Reason!, http, door, cancel),
                var none => throw new InvalidOperationException($"Unknown {none}."),
            };
        }

        return Results.Ok(new Contract.SessionBatchResult(body.DryRun, keys, unknown is [] ? null : unknown, after));
    }

    static List<(string Field, string Problem)> Problems(Contract.SessionBatch body, TimeProvider time)
    {
        var problems = RequestValidation.Collect(
            body.Action is null ? ("action", "is required.") : null,
            body.Keys is null == body.Filter is null ? ("keys", "or filter is required, and not both.") : null,
            body.Keys is { Count: 0 or > Contract.SessionBatch.MaxSessions }
                ? ("keys", $"must have from 1 to {Contract.SessionBatch.MaxSessions} entries.")
                : null,
            body.Filter is { State: Contract.SessionState.Closed }
                ? ("filter.state", "must be one of an open session.")
                : null,
            body.Action is Contract.SessionBatchAction.Wake
                ? RequestValidation.RequiredText("reason", body.Reason, EventLimits.MaxReasonLength)
                : RequestValidation.OptionalText("reason", body.Reason, EventLimits.MaxReasonLength),
            body.Action is not Contract.SessionBatchAction.Pause && (body.Until is not null || body.Interrupt)
                ? ("until", "and interrupt are for pause alone.")
                : null,
            body.Until <= time.GetUtcNow() ? ("until", "must lie ahead.") : null
        );
        problems.AddRange(
            (body.Keys ?? [])
                .Select(x => RequestValidation.RequiredText("keys", x, EventLimits.MaxKeyLength))
                .OfType<(string, string)>()
                .Take(1)
        );
        return problems;
    }

    // One more says whether there are more.
    static async Task<(IReadOnlyList<string> Keys, string? After)> Find(
        Contract.SessionBatch body,
        Sessions sessions,
        CancellationToken cancel
    )
    {
        var query = body.Filter is { } filter
            ? new SessionQuery
            {
                State = filter.State?.ToStore(),
                Profile = filter.Profile,
                Subject = filter.Subject,
                Workspace = filter.Workspace,
                Text = filter.Text,
                AfterKey = filter.After,
            }
            : new SessionQuery { Keys = [.. body.Keys!.Distinct()] };
        var found = await sessions.ListKeys(query, Contract.SessionBatch.MaxSessions + 1, cancel);
        return found.Count > Contract.SessionBatch.MaxSessions
            ? ([.. found.Take(Contract.SessionBatch.MaxSessions)], found[Contract.SessionBatch.MaxSessions - 1])
            : (found, null);
    }

    static async Task<IReadOnlyList<string>> Close(
        IReadOnlyList<string> keys,
        HttpContext http,
        Sessions sessions,
        WakeTimers timers,
        CancellationToken cancel
    )
    {
        var closed = await sessions.Close(keys, SessionsApi.By(http), cancel);
        await timers.NotifySweepers();
        return closed;
    }

    static async Task<IReadOnlyList<string>> Pause(
        IReadOnlyList<string> keys,
        Contract.SessionBatch body,
        HttpContext http,
        Pauses pauses,
        CancellationToken cancel
    )
    {
        var operation = http.NewOperationId();
        var own = (await pauses.List(cancel)).Where(x => x.Scope is PauseScope.Session).ToLookup(x => x.Name);
        List<string> paused = [];
        foreach (var key in keys)
        {
            // The same again under one id is what is there, when this is done again after its answer was lost.
            var id = Uuid5.Create(operation, key);
            if (own[key].Any(x => x.Id != id))
                continue;

            var wanted = new NewPause(PauseScope.Session, key, null, body.Until, body.Interrupt, body.Reason)
            {
                By = SessionsApi.By(http),
            };
            if (await pauses.Add(wanted, cancel, id) is not null)
                paused.Add(key);
        }

        return paused;
    }

    static async Task<IReadOnlyList<string>> Wake(
        IReadOnlyList<string> keys,
        string reason,
        HttpContext http,
        EventIngress door,
        CancellationToken cancel
    )
    {
        var operation = http.NewOperationId();
        var wakes = keys.Select(x =>
            WakeRequested.Create(x, reason) with
            {
                Id = $"{Uuid5.Create(operation, x)}",
                Actor = SessionsApi.By(http),
            }
        );
        await door.Accept(http, [.. wakes], cancel);
        return keys;
    }
}
