using Wake.Contracts;
using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary><c>/v1/notifications</c>: where people are notified, and what has not arrived there.</summary>
static class NotificationsApi
{
    // More than anybody reads. What lies behind them is counted.
    const int MaxListed = 200;

    public static void MapNotifications(this IEndpointRouteBuilder routes)
    {
        var targets = routes.MapGroup("/v1/notifications").WithTags("notifications");

        targets
            .MapGet(
                "",
                async (NotificationOutbox outbox, CancellationToken cancel) =>
                    Results.Ok((await outbox.ListTargets(cancel)).Select(x => x.ToContract()))
            )
            .RequireScope(ApiScopes.SessionsRead)
            .WithName("ListNotificationTargets")
            .WithSummary("Where people are notified, by name.")
            .Produces<IReadOnlyList<Contract.NotificationTarget>>();
        targets
            .MapGet("/{target}", ListUndelivered)
            .RequireScope(ApiScopes.SessionsRead)
            .WithName("ListUndeliveredNotifications")
            .WithSummary("What is on its way to a target, and what was given up: the oldest 200.")
            .Produces<IReadOnlyList<Contract.Notification>>()
            .ProducesProblem(StatusCodes.Status404NotFound);
        targets
            .MapGet("/{target}/{id:guid}", Find)
            .RequireScope(ApiScopes.SessionsRead)
            .WithName("GetNotification")
            .WithSummary("One notification, arrived or not.")
            .Produces<Contract.Notification>()
            .ProducesProblem(StatusCodes.Status404NotFound);
        targets
            .MapPost("/{target}/test", Test)
            .RequireScope(ApiScopes.SessionsWrite)
            .WithIdempotencyKey()
            .WithName("TestNotificationTarget")
            .WithSummary("Send a test to a target. Whether it arrives, the notification says a moment later.")
            .Produces<Contract.Notification>(StatusCodes.Status202Accepted)
            .ProducesProblem(StatusCodes.Status404NotFound);
        targets
            .MapPost("/{target}/redrive", Redrive)
            .RequireScope(ApiScopes.SessionsWrite)
            .WithName("RedriveNotifications")
            .WithSummary("Send again what was given up, and go on with a target that has stopped.")
            .Produces<Contract.RedrivenNotifications>()
            .ProducesProblem(StatusCodes.Status404NotFound);
    }

    static async Task<IResult> ListUndelivered(string target, NotificationOutbox outbox, CancellationToken cancel)
    {
        var undelivered = await outbox.ListUndelivered(target, MaxListed, cancel);
        return undelivered.Count > 0 || (await outbox.ListTargets(cancel)).Any(x => x.Name == target)
            ? Results.Ok(undelivered.Select(x => x.ToContract()))
            : NoTarget(target);
    }

    static async Task<IResult> Find(string target, Guid id, NotificationOutbox outbox, CancellationToken cancel) =>
        await outbox.Find(target, id, cancel) is { } found
            ? Results.Ok(found.ToContract())
            : ProblemResults.Create(StatusCodes.Status404NotFound, $"There is no notification {id} to {target}.");

    static async Task<IResult> Test(
        string target,
        HttpContext http,
        NotificationOutbox outbox,
        CancellationToken cancel
    )
    {
        var id = http.NewOperationId();
        return await outbox.AddTest(target, id, cancel) && await outbox.Find(target, id, cancel) is { } added
            ? Results.Accepted($"/v1/notifications/{Uri.EscapeDataString(target)}/{id}", added.ToContract())
            : NoTarget(target, ", or it has stopped: wake notify redrive goes on with it");
    }

    static async Task<IResult> Redrive(string target, NotificationOutbox outbox, CancellationToken cancel) =>
        await outbox.Redrive(target, cancel) is { } count
            ? Results.Ok(new Contract.RedrivenNotifications(count))
            : NoTarget(target);

    static IResult NoTarget(string target, string orElse = "") =>
        ProblemResults.Create(
            StatusCodes.Status404NotFound,
            $"There is no target {target}{orElse}. wake notifications lists them."
        );
}
