using MassTransit;
using Microsoft.Extensions.Options;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>Registers the coordinator: events go in, one <see cref="Wake.Contracts.ResumeSession"/> comes
/// out.</summary>
/// <remarks>
/// <list type="number">
/// <item>Deduplicated, and put into the inboxes of the sessions that ask for them: <see cref="EventQueueConsumer"/>
/// gives batches to <see cref="Intake"/>, whose statement is Events/Intake.sql in Wake.Store (<c>known</c>,
/// <c>hits</c>, <c>routed</c>).</item>
/// <item>Coalesced: the same statement sets the session's timer (<c>armed</c>) to the end of its quiet window;
/// <see cref="WakeSweeper"/> has <see cref="DueSessions"/> take all that are due in <see cref="WakeTimers"/>.</item>
/// <item>Decided: <see cref="WakeDecision.For"/>, pure, from the facts in <see cref="SessionSnapshot"/>.</item>
/// <item>Sent: <see cref="SessionWakeStateMachine"/> says what follows, one <see cref="SessionTransaction"/> writes it,
/// and the commands are sent after its commit. When a turn ends, the same is done for its session alone.</item>
/// </list>
/// </remarks>
public static class CoordinatorServices
{
    /// <summary>The sweeper, and on RabbitMQ the queue that events from any program arrive in.</summary>
    public static IHostApplicationBuilder AddCoordinator(this IHostApplicationBuilder builder)
    {
        builder.Services.AddValidatedOptions<CoordinatorOptions>(CoordinatorOptions.Section);
        builder.Services.AddValidatedOptions<Profiles>(Profiles.Section);
        builder.AddMigrations(typeof(CoordinatorServices).Assembly);

        builder.Services.AddValidatedOptions<RouteOptions>(RouteOptions.Section);
        builder.Services.AddHostedService<ConfiguredRoutes>();
        builder.Services.AddHostedService<ProfilePools>();
        builder.Services.AddValidatedOptions<BreakerOptions>(BreakerOptions.Section);
        builder.Services.AddHostedService<ConfiguredBreakers>();
        builder
            .Services.AddHealthChecks()
            .AddCheck<BreakersHealth>("breakers", tags: [Health.ReadyTag], timeout: Health.QueryTimeout);

        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<SweepSignal>();
        builder.Services.AddHostedService<SweepNotificationListener>();
        builder.Services.AddSingleton<DueSessions>();
        builder.Services.AddHostedService<WakeSweeper>();
        builder.Services.AddHostedService<WatchLookBack>();
        builder.Services.AddHostedService<BacklogMetrics>();
        builder.Services.AddHostedService<EventPruner>();

        if (
            builder.Configuration.GetSection(MessageBusOptions.Section).Get<MessageBusOptions>()
            is not { InMemory: true }
        )
        {
            builder.Services.AddSingleton<EventQueueConsumer>();
            builder.Services.AddHostedService(services => services.GetRequiredService<EventQueueConsumer>());
            builder.Services.AddHostedService<DeadLetterDesk>();
            builder.Services.AddHealthChecks().AddCheck<EventQueueConsumer>("wake-events", tags: [Health.ReadyTag]);
        }

        return builder;
    }

    /// <summary>The saga and its queue.</summary>
    public static void AddSessionWake(this IBusRegistrationConfigurator bus)
    {
        bus.AddSingleton<ResumeSessionRouting>();
        bus.AddSagaStateMachine<SessionWakeStateMachine, SessionWake, SessionWakeEndpoint>().UsePostgres();
    }

    sealed class SessionWakeEndpoint : SagaDefinition<SessionWake>
    {
        public SessionWakeEndpoint(IOptions<CoordinatorOptions> options)
        {
            ConcurrentMessageLimit = options.Value.Concurrency;
            Endpoint(endpoint => endpoint.PrefetchCount = options.Value.Concurrency * 2);
        }
    }
}
