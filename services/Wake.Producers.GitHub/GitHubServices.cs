using Wake.Producing;
using Wake.ServiceDefaults;

namespace Wake.Producers.GitHub;

/// <summary>What a process gains by listening to GitHub.</summary>
public static class GitHubServices
{
    /// <summary>GitHub's options and the door for its deliveries.</summary>
    public static IHostApplicationBuilder AddGitHub(this IHostApplicationBuilder builder)
    {
        builder.Services.AddValidatedOptions<GitHubOptions>(GitHubOptions.Section);
        builder.Services.AddHookDoor();
        return builder;
    }

    /// <summary>The endpoint GitHub delivers to.</summary>
    public static void MapGitHub(this IEndpointRouteBuilder routes) => GitHubWebhook.Map(routes);
}
