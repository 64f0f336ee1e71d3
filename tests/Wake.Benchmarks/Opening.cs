using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Wake.Offline;
using static Wake.Benchmarks.BenchmarkResults;

namespace Wake.Benchmarks;

/// <summary>What the plugin adds to the start of the real CLI in a terminal, beside a Wake that answers at
/// once.</summary>
static class Opening
{
    const int PairsPerRepetition = 4;

    /// <summary>From the start to the moment at which it waits for what is typed, with the plugin and
    /// without.</summary>
    public static async Task Run(BenchmarkResults figures, int repetitions)
    {
        var folder = Directory.CreateTempSubdirectory("wake-opening-");
        await using var api = await MessagesApi.Start();
        await using var wake = await StandIn();
        try
        {
            var plugin = OpenedClaude.CopyPlugin(folder.FullName);
            var environment = OpenedClaude.Prepare(folder.FullName, api.Url);
            environment["WAKE_URL"] = wake.Urls.Single();
            for (var pair = 0; pair < repetitions * PairsPerRepetition; pair++)
            {
                // Whatever else the machine does befalls both.
                var first = await Open(pair % 2 == 0);
                var second = await Open(pair % 2 != 0);
                var (with, without) = pair % 2 == 0 ? (first, second) : (second, first);
                Line(
                    new
                    {
                        Kind = "open",
                        WithMs = Math.Round(with),
                        WithoutMs = Math.Round(without),
                    }
                );
                figures.Add("open, start of claude → it waits for input", "without the plugin, ms", without);
                figures.Add("open, start of claude → it waits for input", "with the plugin, ms", with);
                figures.Add("open, start of claude → it waits for input", "beyond, ms", with - without, new(50, 10));
            }

            async Task<double> Open(bool withPlugin)
            {
                await using var opened = await OpenedClaude.Open(
                    folder.FullName,
                    environment,
                    withPlugin ? ["--plugin-dir", plugin] : []
                );
                return opened.Opening.TotalMilliseconds;
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    static async Task<WebApplication> StandIn()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        app.MapPost("/v1/terminals/{session}/hooks", () => Results.Text("{}", "application/json"));
        app.MapPost(
            "/v1/terminals/{session}/wait",
            async (HttpContext context) =>
            {
                await context.Response.WriteAsync("{\"type\":\"ping\"}\n");
                await context.Response.Body.FlushAsync();
                await Task.Delay(Timeout.Infinite, context.RequestAborted)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        );
        app.MapGet("/v1/terminals/{session}/transcript", () => Results.Text("[]", "application/json"));
        app.MapPost("/v1/terminals/{session}/{what}", () => Results.NoContent());
        await app.StartAsync();
        return app;
    }
}
