using MassTransit;
using MassTransit.Configuration;
using MassTransit.Context;
using MassTransit.Saga;
using Npgsql;

namespace Wake.Coordinator;

/// <summary>
/// Keeps the saga in PostgreSQL: one message is one <see cref="SessionTransaction"/>. MassTransit's own repositories
/// know nothing of the store the saga has to agree with; this one reads and writes both under one lock.
/// </summary>
static class SessionWakeRepository
{
    public static void UsePostgres(this ISagaRegistrationConfigurator<SessionWake> saga) =>
        saga.Repository(repository =>
            repository.RegisterSagaRepository<
                SessionWake,
                SessionTransaction,
                SagaConsumeContextFactory<SessionTransaction, SessionWake>,
                SessionWakeContextFactory
            >()
        );
}

/// <summary>Opens the transaction around the handling of a message.</summary>
sealed class SessionWakeContextFactory(
    NpgsqlDataSource database,
    ISagaConsumeContextFactory<SessionTransaction, SessionWake> contexts,
    SweepSignal sweeper,
    ILogger<SessionWakeContextFactory> log
) : ISagaRepositoryContextFactory<SessionWake>
{
    public async Task Send<T>(ConsumeContext<T> context, IPipe<SagaRepositoryContext<SessionWake, T>> next)
        where T : class
    {
        await using var transaction = new SessionTransaction(database);
        await next.Send(new SessionWakeContext<T>(transaction, context, contexts));

        if (!transaction.Committed)
            return;
        if (transaction.DueIn is { } due)
            sweeper.SweepIn(due);
        foreach (var breaker in transaction.Opened)
            BreakerNotice.Write(log, breaker);
    }

    public Task SendQuery<T>(
        ConsumeContext<T> context,
        ISagaQuery<SessionWake> query,
        IPipe<SagaRepositoryQueryContext<SessionWake, T>> next
    )
        where T : class => throw new NotSupportedException("A session's saga is found by its id alone.");

    public void Probe(ProbeContext context) => context.CreateScope("sagaRepository").Add("persistence", "postgres");
}

/// <summary>One message's view of the repository.</summary>
sealed class SessionWakeContext<T>(
    SessionTransaction transaction,
    ConsumeContext<T> context,
    ISagaConsumeContextFactory<SessionTransaction, SessionWake> contexts
) : ConsumeContextScope<T>(context, transaction), SagaRepositoryContext<SessionWake, T>
    where T : class
{
    // Returns the row that is there as readily as the new one, both locked: two first messages do not race.
    public async Task<SagaConsumeContext<SessionWake, T>?> Insert(SessionWake instance) =>
        await transaction.Load(instance.CorrelationId, instance, CancellationToken) is { } saga
            ? await CreateSagaConsumeContext(this, saga, SagaConsumeContextMode.Insert)
            : null;

    public async Task<SagaConsumeContext<SessionWake, T>?> Load(Guid correlationId) =>
        await transaction.Load(correlationId, null, CancellationToken) is { } saga
            ? await CreateSagaConsumeContext(this, saga, SagaConsumeContextMode.Load)
            : null;

    public Task<SagaConsumeContext<SessionWake, T>> Add(SessionWake instance) =>
        CreateSagaConsumeContext(this, instance, SagaConsumeContextMode.Add);

    public Task Save(SagaConsumeContext<SessionWake> saga) => transaction.Commit(saga.Saga, CancellationToken);

    public Task Update(SagaConsumeContext<SessionWake> saga) => transaction.Commit(saga.Saga, CancellationToken);

    public Task Delete(SagaConsumeContext<SessionWake> saga) =>
        throw new NotSupportedException("A saga's row stays: a closed session ignores what it still hears.");

    // Disposing the transaction rolls back.
    public Task Discard(SagaConsumeContext<SessionWake> saga) => Task.CompletedTask;

    public Task Undo(SagaConsumeContext<SessionWake> saga) => Task.CompletedTask;

    // Passes this scope on, not the message's own context: the answers find the transaction as its payload.
    public Task<SagaConsumeContext<SessionWake, TMessage>> CreateSagaConsumeContext<TMessage>(
        ConsumeContext<TMessage> consumeContext,
        SessionWake instance,
        SagaConsumeContextMode mode
    )
        where TMessage : class => contexts.CreateSagaConsumeContext(transaction, consumeContext, instance, mode);
}
