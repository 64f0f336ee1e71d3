using MassTransit;
using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// Claims the turn a <see cref="ResumeSession"/> names, and lets it run. Claim, then acknowledge: RabbitMQ takes the
/// whole channel from a consumer that keeps a message for half an hour, and turns last longer.
/// </summary>
sealed class ResumeSessionConsumer(
    WithheldTurns turns,
    TurnRunner runner,
    RunnerSlots slots,
    IOptions<RunnerOptions> options,
    TimeProvider time
) : IConsumer<ResumeSession>
{
    public async Task Consume(ConsumeContext<ResumeSession> context)
    {
        var (wake, pool, cancel) = (context.Message, options.Value.Pool, context.CancellationToken);

        // All busy, and consuming is about to stop: leave it to other runners.
        if (!slots.TryAcquire(wake.Urgent, out var slot))
        {
            var others = await context.GetSendEndpoint(
                new($"exchange:{(wake.Urgent ? RunnerQueues.UrgentForPool(pool) : RunnerQueues.ForPool(pool))}")
            );
            await others.Send(wake, sent => sent.TimeToLive = context.ExpirationTime - DateTime.UtcNow, cancel);
            return;
        }

        using (slot)
        {
            await slots.StaggerStart(cancel);

            var claimedAt = time.GetTimestamp();
            switch (await turns.Claim(wake, cancel))
            {
                case TurnClaim.Granted { Turn: var turn }:
                    slot.StartTurn(turn, running => runner.RunTurn(running, claimedAt));
                    break;

                // A redelivery of a turn that ended and whose ending was perhaps never heard: say it again.
                case TurnClaim.Ended { Outcome: var outcome }:
                    await context.Publish(new TurnEnded(wake.SessionId, wake.WakeNumber, outcome), cancel);
                    break;

                // Another runner has it and will say how it ended; or it is not its time; or it is watched now until it
                // is.
                case TurnClaim.Held
                or TurnClaim.NotDue
                or TurnClaim.Withheld:
                    break;
            }
        }
    }
}
