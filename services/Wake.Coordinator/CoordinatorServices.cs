using MassTransit;
using Microsoft.Extensions.Options;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>What a process gains by being a coordinator.</summary>
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

        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<SweepSignal>();
        builder.Services.AddHostedService<SweepNotificationListener>();
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
