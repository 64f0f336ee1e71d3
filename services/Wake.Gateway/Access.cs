using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Authorization;
using Microsoft.Extensions.Options;

namespace Wake.Gateway;

/// <summary>
/// Who comes in. With keys: who has one. Without: only programs of this machine that call it by its own name, which keeps
/// out pages in a browser, whatever host name they made it resolve to.
/// </summary>
static class Access
{
    public static void UseAccess(this IApplicationBuilder app)
    {
        var keys = app.ApplicationServices.GetRequiredService<IOptions<GatewayOptions>>().Value.ApiKeys
            .Select(Hash).ToArray();

        app.Use(async (http, next) =>
        {
            // Webhooks prove themselves by a signature of their own.
            if (http.Request.Path.StartsWithSegments("/health") || http.GetEndpoint()?.Metadata.GetMetadata<IAllowAnonymous>() is not null)
                await next(http);
            else if (Refusal(http, keys) is { } refusal)
                await refusal.ExecuteAsync(http);
            else
                await next(http);
        });
    }

    static IResult? Refusal(HttpContext http, byte[][] keys)
    {
        if (keys is not [])
        {
            var given = http.Request.Headers.Authorization.ToString() is { Length: > 7 } header
                && header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) ? Hash(header[7..].Trim()) : null;

            if (given is not null && keys.Any(key => CryptographicOperations.FixedTimeEquals(key, given)))
                return null;

            http.Response.Headers.WWWAuthenticate = "Bearer";
            return Problems.Of(StatusCodes.Status401Unauthorized,
                "This needs a key: send Authorization: Bearer KEY. The wake command takes it from WAKE_API_KEY.");
        }

        if (http.Connection.RemoteIpAddress is { } remote && !IPAddress.IsLoopback(remote))
        {
            return Problems.Of(StatusCodes.Status403Forbidden,
                "Without keys only this machine may come in. Set Gateway__ApiKeys__0 to let others in.");
        }

        var host = http.Request.Host.Host;
        if (host is not "localhost" and not "[::1]" && !(IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address)))
            return Problems.Of(StatusCodes.Status403Forbidden, $"This is not {host}. Call it by localhost or its loopback address.");

        if (http.Request.Headers.Origin.ToString() is { Length: > 0 } origin
            && !string.Equals(origin, $"{http.Request.Scheme}://{http.Request.Host}", StringComparison.OrdinalIgnoreCase))
            return Problems.Of(StatusCodes.Status403Forbidden, "Pages of other origins may not come in.");

        return null;
    }

    static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}
