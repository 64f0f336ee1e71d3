using MassTransit;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Wake.ServiceDefaults;

/// <summary>The bus between the services: RabbitMQ, or the inside of one process.</summary>
public static class MessageBus
{
    /// <summary>Connects this service. Every service calls it once and says only what it consumes.</summary>
    public static IHostApplicationBuilder AddMessageBus(
        this IHostApplicationBuilder builder,
        Action<IBusRegistrationConfigurator>? consume = null
    )
    {
        builder.Services.AddValidatedOptions<MessageBusOptions>(MessageBusOptions.Section);

        // A started service is a consuming service: readiness and tests can rely on it.
        builder.Services.Configure<MassTransitHostOptions>(host => host.WaitUntilStarted = true);

        builder.Services.AddMassTransit(bus =>
        {
            bus.DisableUsageTelemetry();
            bus.SetKebabCaseEndpointNameFormatter();
            bus.AddConfigureEndpointsCallback(ConfigureEndpoint);
            consume?.Invoke(bus);

            if (
                builder.Configuration.GetSection(MessageBusOptions.Section).Get<MessageBusOptions>() is
                { InMemory: true }
            )
            {
                bus.UsingInMemory((context, memory) => memory.ConfigureEndpoints(context));
                return;
            }

            bus.UsingRabbitMq(
                (context, rabbit) =>
                {
                    rabbit.Host(context.GetRequiredService<IOptions<MessageBusOptions>>().Value.Host);
                    rabbit.ConfigureEndpoints(context);
                }
            );
        });

        return builder;
    }

    /// <summary>
    /// How every endpoint treats its messages, whatever the transport. Also for endpoints that are connected at run
    /// time.
    /// </summary>
    public static void ConfigureEndpoint(
        IRegistrationContext context,
        string queue,
        IReceiveEndpointConfigurator endpoint
    )
    {
        // Survives a node of a cluster, and is cheaper than a classic queue even on one node.
        if (endpoint is IRabbitMqReceiveEndpointConfigurator rabbit)
            rabbit.SetQuorumQueue();

        // About a minute in all: long enough for a database that restarts.
        endpoint.UseMessageRetry(retry =>
            retry.Exponential(
                retryLimit: 10,
                minInterval: TimeSpan.FromMilliseconds(50),
                maxInterval: TimeSpan.FromSeconds(15),
                intervalDelta: TimeSpan.FromMilliseconds(100)
            )
        );

        // Outgoing messages wait until the handler, and with it its transaction, has succeeded.
        endpoint.UseInMemoryOutbox(context);
    }
}
