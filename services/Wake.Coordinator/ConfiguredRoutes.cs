using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>
/// The routes of the configuration, by name: <c>Routes__NAME__Session</c> and so on. They count more than what the API
/// made under the same name, and those that are no longer here are gone.
/// </summary>
sealed class RouteOptions : Dictionary<string, RouteDefinition>, IValidatableObject
{
    public const string Section = "Routes";

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext) =>
        from route in this
        from wrong in route.Value.Problems(route.Key)
        select new ValidationResult($"{Section}:{route.Key}: {wrong.Field} {wrong.Problem}");
}

/// <summary>Writes them into the store when the coordinator starts, before it takes anything in.</summary>
sealed class ConfiguredRoutes(
    Routes routes,
    IOptions<RouteOptions> options,
    IOptions<Profiles> profiles,
    ILogger<ConfiguredRoutes> log
) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var (name, terms) in options.Value)
        {
            if (WorkspaceDirectory.Warning(terms, profiles.Value) is { } warning)
                log.LogWarning("The route {Route}: {Warning}", name, warning);
        }

        return routes.ReplaceConfigured(options.Value, cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
