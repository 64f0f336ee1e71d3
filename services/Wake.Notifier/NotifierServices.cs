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
        builder.Services.TryAddSingleton<NotificationOutbox>();
        builder.Services.TryAddSingleton<Chats>();
        builder.Services.TryAddSingleton<Questions>();
        builder.Services.TryAddSingleton<Sessions>();
        builder.Services.TryAddSingleton<Pauses>();
        builder.Services.TryAddSingleton<Intake>();
        builder.Services.TryAddSingleton<WakeTimers>();
        builder.Services.TryAddSingleton<RunnerNames>();
        builder.Services.TryAddSingleton<ChatActions>();
        builder.Services.AddHostedService<FactRouter>();
        builder.Services.AddHostedService<NotificationDelivery>();
        builder.Services.AddHostedService<ChatListener>();
        return builder;
    }
}
