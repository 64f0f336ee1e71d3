using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Wake.Contracts.Http;
using Wake.Offline;
using Wake.Testing;
using static Wake.Benchmarks.BenchmarkResults;

namespace Wake.Benchmarks;

/// <summary>
/// From an event to the first request to the model in a session that is open in a terminal, beside a hook that wakes
/// another open session by itself as soon as it reads a line.
/// </summary>
static class WakingInPlace
{
    const int PairsPerRepetition = 8;
    const string Name = "attended, event → first model request";

    public static async Task Run(BenchmarkResults figures, int repetitions)
    {
        var folder = Directory.CreateTempSubdirectory("wake-attended-");
        try
        {
            await using var api = await MessagesApi.Start();
            await using var wake = await Attended.Start(folder.CreateSubdirectory("wake").FullName, api);
            await using var bare = await Bare.Start(folder.CreateSubdirectory("bare").FullName, api);
            for (var pair = -2; pair < repetitions * PairsPerRepetition; pair++)
            {
                // Turn about, so that neither always finds the machine as the other left it.
                var early = pair % 2 == 0 ? await bare.Wake(pair) : default;
                var woken = await wake.Wake(pair);
                var byHook = pair % 2 == 0 ? early : await bare.Wake(pair);
                // The first turns of a process do what no later one does.
                if (pair < 0)
                    continue;

                Line(
                    new
                    {
                        Kind = "attended",
                        WakeMs = Math.Round(woken, 1),
                        HookMs = Math.Round(byHook, 1),
                    }
                );
                figures.Add(Name, "a bare asyncRewake hook, ms", byHook);
                figures.Add(Name, "woken, ms", woken);
                figures.Add(Name, "woken ÷ bare hook", woken / byHook, new(1.5, 1.2));
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    // Until the turn is over and the next wake finds a session that waits for one.
    static async Task<double> Measure(MessagesApi api, string text, Func<Task> wake)
    {
        var seen = api.Next(x => x.IsInTail(text));
        var began = DateTimeOffset.UtcNow;
        await wake();
        var request = await seen;
        await request.Ending;
        return (request.At - began).TotalMilliseconds;
    }

    /// <summary>A Wake as a person runs it, and a session with the plugin.</summary>
    sealed class Attended(MessagesApi api, ServiceProcess service, OpenedClaude claude, HttpClient http, Guid session)
        : IAsyncDisposable
    {
        public static async Task<Attended> Start(string folder, MessagesApi api)
        {
            var data = Path.Combine(folder, "data");
            var environment = OpenedClaude.Prepare(folder, api.Url);
            environment["WAKE_DATA"] = data;
            var service = await ServiceProcess.Start(
                "Wake.Standalone",
                new Dictionary<string, string>
                {
                    ["WAKE_DATA"] = data,
                    ["CLAUDE_CONFIG_DIR"] = environment["CLAUDE_CONFIG_DIR"],
                    ["Claude__Executable"] = RealClaude.Executable(RealClaude.Current),
                    ["Profiles__default__QuietWindow"] = "00:00:00",
                    ["Profiles__default__MaxWait"] = "00:00:00",
                }
            );
            var http = new HttpClient { BaseAddress = service.Url };
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue(
                "Bearer",
                (await File.ReadAllTextAsync(Path.Combine(data, "token"))).Trim()
            );
            var session = Guid.NewGuid();
            var claude = await OpenedClaude.Open(
                folder,
                environment,
                "--plugin-dir",
                OpenedClaude.CopyPlugin(folder),
                "--session-id",
                $"{session}"
            );
            return new(api, service, claude, http, session);
        }

        public async Task<double> Wake(int number)
        {
            await IsWaiting();
            var reason = $"event {number + 2} came from afar";
            return await Measure(
                api,
                reason,
                async () =>
                {
                    using var answer = await http.PostAsJsonAsync($"/v1/sessions/{session}/wake", new { reason });
                    answer.EnsureSuccessStatusCode();
                }
            );
        }

        // Its last turn is over, and its terminal waits for the next.
        async Task IsWaiting()
        {
            while (true)
            {
                using var answer = await http.GetAsync($"/v1/sessions/{session}");
                if (
                    answer.IsSuccessStatusCode
                    && (await answer.Content.ReadFromJsonAsync<Session>())
                        is { LastTurn: null or { State: TurnState.Ended } }
                )
                    break;

                await Task.Delay(20);
            }

            await Task.Delay(Rest);
        }

        public async ValueTask DisposeAsync()
        {
            await claude.DisposeAsync();
            http.Dispose();

            // The polite way: its PostgreSQL stops with it.
            await service.Stop();
            await service.DisposeAsync();
        }
    }

    // The next waiter is armed by the end of a turn.
    static readonly TimeSpan Rest = TimeSpan.FromMilliseconds(700);

    /// <summary>The least that wakes an open session: a hook that reads a line.</summary>
    sealed class Bare(MessagesApi api, OpenedClaude claude, string pipe) : IAsyncDisposable
    {
        public static async Task<Bare> Start(string folder, MessagesApi api)
        {
            var (plugin, pipe) = (Path.Combine(folder, "plugin"), Path.Combine(folder, "pipe"));
            Directory.CreateDirectory(Path.Combine(plugin, ".claude-plugin"));
            Directory.CreateDirectory(Path.Combine(plugin, "hooks"));
            await File.WriteAllTextAsync(
                Path.Combine(plugin, ".claude-plugin", "plugin.json"),
                """{"name":"bare-hook","version":"1.0.0"}"""
            );
            object[] hooks =
            [
                new
                {
                    hooks = new object[]
                    {
                        new
                        {
                            type = "command",
                            command = $"read -r line < {pipe}; echo \"$line\" >&2; exit 2",
                            asyncRewake = true,
                            timeout = 86_400,
                        },
                    },
                },
            ];
            await File.WriteAllTextAsync(
                Path.Combine(plugin, "hooks", "hooks.json"),
                JsonSerializer.Serialize(new { hooks = new { SessionStart = hooks, Stop = hooks } })
            );
            using (var made = System.Diagnostics.Process.Start("mkfifo", [pipe]))
                await made.WaitForExitAsync();
            return new(
                api,
                await OpenedClaude.Open(folder, OpenedClaude.Prepare(folder, api.Url), "--plugin-dir", plugin),
                pipe
            );
        }

        public async Task<double> Wake(int number)
        {
            await Task.Delay(Rest);
            var reason = $"line {number + 2} came by hand";
            return await Measure(api, reason, () => File.WriteAllTextAsync(pipe, reason + "\n"));
        }

        public ValueTask DisposeAsync() => claude.DisposeAsync();
    }
}
