using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Wake.ServiceDefaults;

namespace Wake.Producing;

/// <summary>Registers the broker publisher and the webhook receiver.</summary>
public static class ProducingServices
{
    /// <summary>Events go to RabbitMQ. Ready means connected, with the queue of the events in place.</summary>
    public static IHostApplicationBuilder AddBrokerPublisher(this IHostApplicationBuilder builder)
    {
        builder.Services.AddValidatedOptions<MessageBusOptions>(MessageBusOptions.Section);
        builder.Services.AddSingleton<BrokerPublisher>();
        builder.Services.AddSingleton<IEventPublisher>(services => services.GetRequiredService<BrokerPublisher>());
        builder.Services.AddHealthChecks().AddCheck<BrokerPublisher>("wake-events", tags: [Health.ReadyTag]);
        return builder;
    }

    /// <summary>Registers the webhook receiver and its limits.</summary>
    public static IServiceCollection AddWebhookReceiver(this IServiceCollection services)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<AuthenticationFailureLimiter>();
        services.TryAddSingleton<WebhookReceiver>();
        services.AddHttpServerDefaults();
        services.AddKnownProxies();
        services.AddProblemDetails();
        return services;
    }

    /// <summary>What comes before the hooks in a process of their own.</summary>
    public static void UseWebhookReceiver(this WebApplication app)
    {
        app.UseForwardedHeaders();
        app.UseExceptionHandler();
        app.UseStatusCodePages();
    }
}
