using System.Runtime.CompilerServices;
using Microsoft.Extensions.Configuration;
using Wake.Standalone;
using Wake.Store;

namespace Wake.Cli;

/// <summary>Looks whether the sessions of the routes will find a directory to work in.</summary>
/// <param name="folder">The data folder.</param>
/// <param name="data">The data folder as the user named it; null when they did not.</param>
sealed class RouteChecks(DataFolder folder, string? data)
{
    /// <summary>What is wrong with the routes of the settings, and what may be with those and with the ones that a
    /// running Wake was given.</summary>
    public async IAsyncEnumerable<CheckResult> RunAll(
        IConfiguration settings,
        [EnumeratorCancellation] CancellationToken cancel
    )
    {
        var routes = settings.GetSection("Routes").Get<Dictionary<string, RouteDefinition>>() ?? [];
        foreach (
            var (name, problem) in routes.SelectMany(
                x => x.Value.Problems(x.Key),
                (route, problem) => (route.Key, problem)
            )
        )
        {
            yield return new(
                "routes",
                false,
                $"{name}: {problem.Field} {problem.Problem}",
                $"Mend Routes:{name} in {folder.SettingsFile}, or where it is set."
            );
        }

        var profiles = LoadProfiles(settings);
        foreach (var route in await FetchRoutes(cancel))
            routes.TryAdd(
                route.Name,
                new()
                {
                    Session = route.Session,
                    Workspace = route.Workspace,
                    Profile = route.Profile,
                }
            );

        foreach (var (name, terms) in routes.Where(x => !x.Value.Problems(x.Key).Any()))
        {
            if (WorkspaceDirectory.Warning(terms, profiles) is { } warning)
            {
                yield return new(
                    "routes",
                    true,
                    $"{name}: {warning}",
                    "Its sessions are parked at their first turn where that is not mended, here or on the runner."
                );
            }
        }
    }

    static Profiles LoadProfiles(IConfiguration settings)
    {
        try
        {
            return settings.GetSection(Profiles.Section).Get<Profiles>() ?? [];
        }
        catch (InvalidOperationException)
        {
            // A value cannot be read, and that is said by another check.
            return [];
        }
    }

    // Where it does not run, another check says so.
    async Task<IReadOnlyList<Contracts.Http.Route>> FetchRoutes(CancellationToken cancel) =>
        await WakeClient.TryGet(data, "/v1/routes", CliJson.Default.RouteArray, cancel) ?? [];
}
