using Microsoft.Extensions.DependencyInjection.Extensions;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Producers.Cron;

/// <summary>Registers the cron producer.</summary>
public static class CronServices
{
    /// <summary>The schedules that are configured, and who keeps them.</summary>
    public static IHostApplicationBuilder AddCron(this IHostApplicationBuilder builder)
    {
        builder.Services.AddValidatedOptions<CronOptions>(CronOptions.Section);
        builder.AddMigrations(typeof(CronServices).Assembly);
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<CronScheduleStore>();
        builder.Services.TryAddSingleton<SourceReports>();
        builder.Services.AddHostedService<CronScheduler>();
        return builder;
    }
}
