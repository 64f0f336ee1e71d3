using Microsoft.Extensions.DependencyInjection;

namespace Wake.Store;

/// <summary>Registers the store's services.</summary>
public static class StoreServices
{
    /// <summary>Everything in PostgreSQL, one class per thing. Needs an <c>NpgsqlDataSource</c>, and
    /// <see cref="Profiles"/> as options.</summary>
    public static IServiceCollection AddStore(this IServiceCollection services)
    {
        services.AddSingleton<Intake>();
        services.AddSingleton<Watches>();
        services.AddSingleton<WatchDeadlines>();
        services.AddSingleton<Routes>();
        services.AddSingleton<ScheduledWakes>();
        services.AddSingleton<Sessions>();
        services.AddSingleton<Turns>();
        services.AddSingleton<TurnHolds>();
        services.AddSingleton<Pauses>();
        services.AddSingleton<Breakers>();
        services.AddSingleton<FactChecks>();
        services.AddSingleton<NotificationOutbox>();
        services.AddSingleton<Chats>();
        services.AddSingleton<Reports>();
        services.AddSingleton<Terminals>();
        services.AddSingleton<Questions>();
        services.AddSingleton<Transcripts>();
        services.AddSingleton<TurnTranscripts>();
        services.AddSingleton<Costs>();
        services.AddSingleton<ConsistencyAudit>();
        services.AddSingleton<EventRetention>();
        services.AddSingleton<WakeTimers>();
        services.AddSingleton<RunnerNames>();
        services.AddSingleton<Runners>();
        services.AddSingleton<StoredTraceContexts>();
        services.AddSingleton<Backlog>();
        services.AddSingleton<DeadLetters>();
        services.AddSingleton<Explanations>();
        services.AddSingleton<RunTokens>();
        services.AddSingleton<IdempotencyKeys>();
        services.AddSingleton<InboxEntries>();
        services.AddSingleton<EventList>();
        services.AddSingleton<SourceList>();
        services.AddSingleton<SourceReports>();
        services.AddSingleton<MatchCounts>();
        return services;
    }
}
