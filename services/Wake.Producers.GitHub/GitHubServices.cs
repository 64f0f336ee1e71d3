using Microsoft.Extensions.DependencyInjection.Extensions;
using Wake.Producing;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Producers.GitHub;

/// <summary>What a process gains by listening to GitHub.</summary>
public static class GitHubServices
{
    /// <summary>
    /// GitHub's options and the door for its deliveries; with an account also the poller, which needs PostgreSQL: it reads what
    /// is watched from the store, and keeps its own place beside it.
    /// </summary>
    public static IHostApplicationBuilder AddGitHub(this IHostApplicationBuilder builder)
    {
        builder.Services.AddValidatedOptions<GitHubOptions>(GitHubOptions.Section);
        builder.Services.AddHookDoor();
        builder.Services.AddSingleton<Doorbell>();

        if (!builder.Configuration.GetSection($"{GitHubOptions.Section}:{nameof(GitHubOptions.Accounts)}").GetChildren().Any())
            return builder;

        builder.AddMigrations(typeof(GitHubServices).Assembly);
        builder.Services.TryAddSingleton<WatchedSubjects>();
        builder.Services.AddSingleton<GitHubCursors>();
        builder.Services.AddSingleton<GitHubPauses>();
        builder.Services.AddSingleton<GitHubClients>();
        builder.Services.AddSingleton<JobLogs>();
        builder.Services.AddSingleton<DeliveryDetails>();
        builder.Services.AddHostedService<GitHubPoller>();
        builder.Services.AddHostedService<WebhookGaps>();
        return builder;
    }

    /// <summary>The endpoint GitHub delivers to.</summary>
    public static void MapGitHub(this IEndpointRouteBuilder routes) => GitHubWebhook.Map(routes);
}
