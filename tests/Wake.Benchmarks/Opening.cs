using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Wake.Offline;
using Wake.Testing;
using static Wake.Benchmarks.BenchmarkResults;

namespace Wake.Benchmarks;

/// <summary>What the plugin adds to the start of the real CLI in a terminal, beside a Wake that answers at
/// once.</summary>
static class Opening
{
    const int PairsPerRepetition = 4;
    const string Key = "sk-test-0123456789abcdefghij";

    /// <summary>From the start to the moment at which it waits for what is typed, with the plugin and
    /// without.</summary>
    public static async Task Run(BenchmarkResults figures, int repetitions)
    {
        var folder = Directory.CreateTempSubdirectory("wake-opening-");
        await using var api = await MessagesApi.Start();
        await using var wake = await StandIn();
        try
        {
            var plugin = CopyPlugin(folder.FullName);
            var config = Prepare(folder.FullName);
            for (var pair = 0; pair < repetitions * PairsPerRepetition; pair++)
            {
                // Whatever else the machine does befalls both.
                var first = await Open(
                    folder.FullName,
                    config,
                    api.Url,
                    wake.Urls.Single(),
                    pair % 2 == 0 ? plugin : null
                );
                var second = await Open(
                    folder.FullName,
                    config,
                    api.Url,
                    wake.Urls.Single(),
                    pair % 2 == 0 ? null : plugin
                );
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
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    static async Task<double> Open(string folder, string config, string api, string wake, string? plugin)
    {
        var server = $"wake-opening-{Guid.NewGuid():N}";
        var watch = Stopwatch.StartNew();
        await Tmux(
            server,
            [
                "new-session",
                "-d",
                "-x",
                "160",
                "-y",
                "50",
                "-c",
                Path.Combine(folder, "work"),
                "env",
                "-i",
                $"PATH={Environment.GetEnvironmentVariable("PATH")}",
                $"HOME={folder}",
                "TERM=xterm-256color",
                "LANG=C.UTF-8",
                "DISABLE_AUTOUPDATER=1",
                "DISABLE_TELEMETRY=1",
                "DISABLE_ERROR_REPORTING=1",
                $"CLAUDE_CONFIG_DIR={config}",
                $"ANTHROPIC_BASE_URL={api}",
                $"ANTHROPIC_API_KEY={Key}",
                $"WAKE_URL={wake}",
                RealClaude.Executable(RealClaude.Current),
                .. plugin is null ? Array.Empty<string>() : ["--plugin-dir", plugin],
            ]
        );
        try
        {
            var id = int.Parse(
                await Tmux(server, ["display-message", "-p", "#{pane_pid}"]),
                CultureInfo.InvariantCulture
            );
            var file = Path.Combine(config, "sessions", $"{id}.json");
            while (!IsIdle(file))
            {
                if (watch.Elapsed > TimeSpan.FromSeconds(60))
                    throw new TimeoutException("claude did not open in the terminal.");
                await Task.Delay(2);
            }

            return watch.Elapsed.TotalMilliseconds;
        }
        finally
        {
            await Tmux(server, ["kill-server"]);
            await Task.Delay(500);
        }
    }

    static bool IsIdle(string file)
    {
        try
        {
            return File.ReadAllText(file).Contains("\"status\":\"idle\"", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }

    static string CopyPlugin(string folder)
    {
        var root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(Servers.Shipped("tools.sh"))!, ".."));
        var program = Path.Combine(root, "artifacts", "terminal", "wake-terminal");
        if (!File.Exists(program))
            throw new InvalidOperationException($"There is no {program}: tests/bench builds it.");

        var plugin = Path.Combine(folder, "plugin");
        var source = Path.Combine(root, "services", "Wake.Terminal", "plugin");
        foreach (var file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(plugin, Path.GetRelativePath(source, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }

        File.Copy(program, Path.Combine(plugin, "scripts", "wake-terminal"));
        return plugin;
    }

    static string Prepare(string folder)
    {
        var (config, work) = (Path.Combine(folder, "claude"), Path.Combine(folder, "work"));
        Directory.CreateDirectory(config);
        Directory.CreateDirectory(work);
        File.WriteAllText(
            Path.Combine(config, ".claude.json"),
            new JsonObject
            {
                ["hasCompletedOnboarding"] = true,
                ["theme"] = "dark",
                ["customApiKeyResponses"] = new JsonObject
                {
                    ["approved"] = new JsonArray(Key[^20..]),
                    ["rejected"] = new JsonArray(),
                },
                ["projects"] = new JsonObject { [work] = new JsonObject { ["hasTrustDialogAccepted"] = true } },
            }.ToJsonString()
        );
        return config;
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

    static async Task<string> Tmux(string server, IReadOnlyList<string> arguments)
    {
        var start = new ProcessStartInfo("tmux", ["-L", server, "-f", "/dev/null", .. arguments])
        {
            RedirectStandardOutput = true,
        };
        start.Environment.Remove("TMUX");
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return output.Trim();
    }
}
