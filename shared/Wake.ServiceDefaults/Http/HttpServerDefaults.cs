using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Wake.ServiceDefaults;

/// <summary>
/// What holds at every HTTP endpoint of every service: how long a client may take and how many there may be, which
/// addresses are answered at all, and what every answer tells a browser.
/// </summary>
public static class HttpServerDefaults
{
    /// <summary>How many connections are open at once. One more is closed before it is read.</summary>
    internal const int MaxConnections = 1024;

    /// <summary>How long the headers of a request may take. They are sent at once by everybody who means to be
    /// answered.</summary>
    internal static readonly TimeSpan RequestHeadersTimeout = TimeSpan.FromSeconds(10);

    /// <summary>Adds it, before all that the service maps.</summary>
    public static IServiceCollection AddHttpServerDefaults(this IServiceCollection services)
    {
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IStartupFilter, RequestRules>());
        return services.Configure<KestrelServerOptions>(kestrel =>
        {
            kestrel.AddServerHeader = false;

            // Each costs memory and a descriptor, whether it says anything or not: several times as many as follow and
            // wait together.
            kestrel.Limits.MaxConcurrentConnections = MaxConnections;
            kestrel.Limits.RequestHeadersTimeout = RequestHeadersTimeout;

            // A body, and the reading of an answer, may be slow and must not stand still: after five seconds for a
            // start, bytes per second.
            kestrel.Limits.MinRequestBodyDataRate = new(bytesPerSecond: 240, gracePeriod: TimeSpan.FromSeconds(5));
            kestrel.Limits.MinResponseDataRate = new(bytesPerSecond: 240, gracePeriod: TimeSpan.FromSeconds(5));

            // Longer than proxies keep an idle connection for the next request, so that it is they who close it.
            kestrel.Limits.KeepAliveTimeout = TimeSpan.FromSeconds(130);

            // A session's key has 512 characters, of up to twelve bytes each when they are escaped.
            kestrel.Limits.MaxRequestLineSize = 8 * 1024;
            kestrel.Limits.MaxRequestHeaderCount = 100;
            kestrel.Limits.MaxRequestHeadersTotalSize = 32 * 1024;
        });
    }

    sealed class RequestRules : IStartupFilter
    {
        public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) =>
            app =>
            {
                app.Use(
                    async (http, onward) =>
                    {
                        http.Response.OnStarting(AddSecurityHeaders, http);
                        if (RequestTarget.Problem(http) is { } problem)
                            await Results
                                .Problem(problem, statusCode: StatusCodes.Status400BadRequest)
                                .ExecuteAsync(http);
                        else
                            await onward(http);
                    }
                );
                next(app);
            };

        // Late, because an error begins the answer anew.
        static Task AddSecurityHeaders(object state)
        {
            var headers = ((HttpContext)state).Response.Headers;
            headers.XContentTypeOptions = "nosniff";
            if (headers["Referrer-Policy"].Count == 0)
                headers["Referrer-Policy"] = "no-referrer";
            if (headers.ContentSecurityPolicy.Count == 0)
                headers.ContentSecurityPolicy = "default-src 'none'; frame-ancestors 'none'";
            return Task.CompletedTask;
        }
    }
}
