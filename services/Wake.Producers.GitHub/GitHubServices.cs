using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Wake.Producing;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Producers.GitHub;

/// <summary>
/// Registers the GitHub producer: the webhook endpoint, and the poller when an account is configured.
/// </summary>
public static class GitHubServices
{
    /// <summary>
    /// GitHub's options and the door for its deliveries. With a database the checks of a commit are added up from
    /// those; with an account also the poller, which needs PostgreSQL: it reads what is watched from the store, and
    /// keeps its own place beside it.
    /// </summary>
    public static IHostApplicationBuilder AddGitHub(this IHostApplicationBuilder builder)
    {
        builder.Services.AddValidatedOptions<GitHubOptions>(GitHubOptions.Section);
        builder.Services.AddWebhookReceiver();
        builder.Services.AddSingleton<RepollRequests>();

        var settings = builder.Configuration.GetSection(GitHubOptions.Section);
        bool Has(string setting) => settings.GetSection(setting).GetChildren().Any();
        var (polls, hooked) = (
            Has(nameof(GitHubOptions.Accounts)),
            Has(nameof(GitHubOptions.WebhookSecrets)) || Has(nameof(GitHubOptions.Webhooks))
        );
        var stored = builder.Configuration.GetConnectionString(Postgres.ConnectionStringName) is { Length: > 0 };
        if (polls || (hooked && stored))
        {
            builder.AddMigrations(typeof(GitHubServices).Assembly);
            builder.Services.AddSingleton<MergeStateStore>();
            builder.Services.TryAddSingleton<Reports>();
            builder.Services.TryAddSingleton<SourceReports>();
            builder.Services.AddSingleton<OwnComments>();
        }

        // Also of the other hooks of a process that has a database: a receiver is for all of them.
        if (stored)
        {
            builder.Services.TryAddSingleton<SourceReports>();
            builder.Services.AddSingleton<DeliveryLog>();
            builder.Services.AddSingleton<IDeliveryLog>(services => services.GetRequiredService<DeliveryLog>());
            builder.Services.AddHostedService(services => services.GetRequiredService<DeliveryLog>());
        }

        if (hooked && stored)
        {
            builder.Services.AddSingleton<WebhookCheckAggregator>();
            builder.Services.AddHostedService(services => services.GetRequiredService<WebhookCheckAggregator>());
            builder.Services.AddSingleton<WebhookMergeStates>();
            builder.Services.AddHostedService(services => services.GetRequiredService<WebhookMergeStates>());
        }

        if (!polls)
            return builder;

        builder.Services.TryAddSingleton<WatchedSubjects>();
        builder.Services.AddSingleton<GitHubCursors>();
        builder.Services.AddSingleton<RateLimitBackoff>();
        builder.Services.AddSingleton<GitHubClients>();
        builder.Services.AddSingleton<AccountReporter>();
        builder.Services.AddSingleton<JobLogs>();
        builder.Services.AddSingleton<DeliveryEnricher>();
        builder.Services.TryAddSingleton<FactChecks>();
        builder.Services.AddSingleton<GitHubFacts>();
        builder.Services.AddHostedService<FactChecker>();
        builder.Services.AddHostedService<GitHubPoller>();
        builder.Services.AddHostedService<GitHubReporter>();
        builder
            .Services.AddHealthChecks()
            // What it cannot look up keeps nobody from observing.
            .AddCheck<ReportsHealth>(ReportsHealth.Name, HealthStatus.Degraded, [Health.ReadyTag], Health.QueryTimeout);
        builder.Services.AddHostedService<MissedDeliveryRecovery>();
        return builder;
    }

    /// <summary>The endpoint GitHub delivers to.</summary>
    public static void MapGitHub(this IEndpointRouteBuilder routes) => GitHubWebhook.Map(routes);
}
