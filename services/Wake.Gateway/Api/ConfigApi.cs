using Wake.Contracts;
using Wake.ServiceDefaults;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary><c>/v1/config</c>: the settings that this process uses.</summary>
static class ConfigApi
{
    public static void MapConfig(this IEndpointRouteBuilder routes) =>
        routes
            .MapGet(
                "/v1/config",
                (IConfiguration configuration, IEnumerable<SettingsSection> sections) =>
                    Results.Ok(
                        EffectiveSetting
                            .ListAll((IConfigurationRoot)configuration, sections)
                            .Select(x => new Contract.EffectiveSetting(x.Name, x.Value, x.Source))
                    )
            )
            .RequireScope(ApiScopes.Admin)
            .WithTags("operations")
            .WithName("Config")
            .WithSummary(
                "The settings in force in the process that answers, with where each is from. Secrets are masked."
            )
            .Produces<IReadOnlyList<Contract.EffectiveSetting>>();
}
