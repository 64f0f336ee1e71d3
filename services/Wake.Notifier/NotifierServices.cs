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
        // What comes from a chat is urgent and waits for no profile's quiet window.
        builder.Services.AddOptions<Profiles>();
        builder.Services.AddSingleton<ChatActions>();
        builder.Services.AddHostedService<FactRouter>();
        builder.Services.AddHostedService<NotificationDelivery>();
        builder.Services.AddHostedService<ChatListener>();
        return builder;
    }
}
