using System.ComponentModel.DataAnnotations;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using IPNetwork = System.Net.IPNetwork;

namespace Wake.ServiceDefaults;

/// <summary>The proxies in front of the doors. Environment: <c>Proxies__Known__0</c>.</summary>
public sealed class ProxyOptions : IValidatableObject
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Proxies";

    /// <summary>
    /// Addresses (<c>10.1.2.3</c>) or networks (<c>10.42.0.0/16</c>) of reverse proxies. Whom one of them names in
    /// <c>X-Forwarded-For</c> is who came: wrong keys and signatures are counted by that address. From anybody else the
    /// header says nothing. Without any, whoever comes through one proxy counts as one.
    /// </summary>
    public IReadOnlyList<string> Known { get; init; } = [];

    /// <inheritdoc />
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Known.FirstOrDefault(x => !IPNetwork.TryParse(x, out _) && !IPAddress.TryParse(x, out _)) is { } wrong)
            yield return new(
                $"Proxies:Known: '{wrong}' is neither an address like 10.1.2.3 nor a network like 10.42.0.0/16.",
                [nameof(Known)]
            );
    }
}

/// <summary>Tells the proxies that are known from everybody else who sends <c>X-Forwarded-For</c>.</summary>
public static class KnownProxies
{
    /// <summary>The setting; <see cref="ForwardedHeadersExtensions.UseForwardedHeaders(IApplicationBuilder)"/> then
    /// heeds it.</summary>
    public static IServiceCollection AddKnownProxies(this IServiceCollection services)
    {
        services.AddValidatedOptions<ProxyOptions>(ProxyOptions.Section);
        services
            .AddOptions<ForwardedHeadersOptions>()
            .Configure<IOptions<ProxyOptions>>(
                (forwarded, proxies) =>
                {
                    forwarded.ForwardedHeaders = proxies.Value.Known is []
                        ? ForwardedHeaders.None
                        : ForwardedHeaders.XForwardedFor;
                    forwarded.ForwardLimit = null;
                    forwarded.KnownProxies.Clear();
                    forwarded.KnownIPNetworks.Clear();
                    foreach (var known in proxies.Value.Known)
                    {
                        if (IPAddress.TryParse(known, out var address))
                            forwarded.KnownProxies.Add(address);
                        else
                            forwarded.KnownIPNetworks.Add(IPNetwork.Parse(known));
                    }
                }
            );
        return services;
    }
}
