using Microsoft.Extensions.DependencyInjection.Extensions;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Notifier;

/// <summary>Registers the notifier: facts about turns, questions and sessions go out to people.</summary>
public static class NotifierServices
{
    /// <summary>The targets that are configured, and who serves them.</summary>
    public static IHostApplicationBuilder AddNotifier(this IHostApplicationBuilder builder)
    {
        builder.Services.AddValidatedOptions<NotificationsOptions>(NotificationsOptions.Section);
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.TryAddSingleton<NotificationOutbox>();
        builder.Services.AddHostedService<FactRouter>();
        builder.Services.AddHostedService<NotificationDelivery>();
        return builder;
    }
}
