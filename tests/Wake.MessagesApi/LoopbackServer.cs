using System.Net;

namespace Wake.Offline;

/// <summary>Builds the web server: silent, and with nothing read from the surroundings.</summary>
static class LoopbackServer
{
    // A conversation with a few images in it; the API itself takes 32 MB.
    const long MostBodyBytes = 64 * 1024 * 1024;

    /// <summary>A server on the port, or for 0 on one that is free.</summary>
    public static WebApplication Build(IPAddress address, int port)
    {
        // Empty: settings files and ASPNETCORE_ variables of the test's own surroundings must not reach in here.
        var builder = WebApplication.CreateEmptyBuilder(new());

        builder
            .WebHost.UseKestrelCore()
            .ConfigureKestrel(kestrel =>
            {
                kestrel.Listen(address, port);
                kestrel.Limits.MaxRequestBodySize = MostBodyBytes;

                // A stopped or frozen client is something to test, not something to defend against.
                kestrel.Limits.MinRequestBodyDataRate = null;
                kestrel.Limits.MinResponseDataRate = null;
            });
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton<IHostLifetime, OwnersLifetime>();

        return builder.Build();
    }

    // The usual lifetime takes Ctrl-C and SIGTERM for itself; in a test process they belong to the test runner.
    sealed class OwnersLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
