using System.Net;
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
/// another open session by itself as soon as it reads a line. Wake is asked before every prompt, lest two turns run at
/// once: what the CLI takes for asking anybody is measured, too.
/// </summary>
static class WakingInPlace
{
    const int RoundsPerRepetition = 8;
    const string Name = "attended, event → first model request";

    public static async Task Run(BenchmarkResults figures, int repetitions)
    {
        var folder = Directory.CreateTempSubdirectory("wake-attended-");
        try
        {
            await using var api = await MessagesApi.Start();
            await using var wake = await Attended.Start(folder.CreateSubdirectory("wake").FullName, api);
            await using var bare = await Bare.Start(folder.CreateSubdirectory("bare").FullName, api);
            await using var heard = await Bare.Start(folder.CreateSubdirectory("heard").FullName, api, "exit 0");
            for (var round = -2; round < repetitions * RoundsPerRepetition; round++)
            {
                // Turn about, so that none always finds the machine as the same other left it.
                Func<int, Task<double>>[] ways = [wake.Wake, bare.Wake, heard.Wake];
                var took = new double[ways.Length];
                for (var way = 0; way < ways.Length; way++)
                {
                    var index = (way + round + ways.Length) % ways.Length;
                    took[index] = await ways[index](round);
                }

                // The first turns of a process do what no later one does.
                if (round < 0)
                    continue;

                var (woken, byHook, byHeardHook) = (took[0], took[1], took[2]);
                Line(
                    new
                    {
                        Kind = "attended",
                        WakeMs = Math.Round(woken, 1),
                        HookMs = Math.Round(byHook, 1),
                        HeardHookMs = Math.Round(byHeardHook, 1),
                    }
                );
                figures.Add(Name, "a bare asyncRewake hook, ms", byHook);
                figures.Add(Name, "the same with a hook before the prompt that does nothing, ms", byHeardHook);
                figures.Add(Name, "woken, ms", woken);
                figures.Add(Name, "woken ÷ bare hook", woken / byHook, new(Aim: 1.5));
                figures.Add(Name, "woken ÷ with a hook before the prompt", woken / byHeardHook, new(1.5, 1.2));
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

    const string Subject = "build:bench";

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
                    // On, as by default, and more than a session takes here, however many the repetitions.
                    ["Breakers__EachSession__TurnsPerHour"] = "1000000",
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
            await Watch(http, session);
            return new(api, service, claude, http, session);
        }

        // As soon as the terminal has registered the session.
        static async Task Watch(HttpClient http, Guid session)
        {
            while (true)
            {
                using var answer = await http.PostAsJsonAsync(
                    "/v1/watches",
                    new { session = $"{session}", subject = Subject }
                );
                if (answer.StatusCode is not HttpStatusCode.NotFound)
                {
                    answer.EnsureSuccessStatusCode();
                    return;
                }

                await Task.Delay(20);
            }
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
                    var id = $"{Guid.NewGuid()}";
                    using var answer = await http.PostAsJsonAsync(
                        "/v1/events",
                        new
                        {
                            id,
                            source = "bench",
                            type = "build.failed",
                            subject = Subject,
                            dedupKey = id,
                            reason,
                        }
                    );
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
        public static async Task<Bare> Start(string folder, MessagesApi api, string? beforePrompt = null)
        {
            var (plugin, pipe) = (Path.Combine(folder, "plugin"), Path.Combine(folder, "pipe"));
            Directory.CreateDirectory(Path.Combine(plugin, ".claude-plugin"));
            Directory.CreateDirectory(Path.Combine(plugin, "hooks"));
            await File.WriteAllTextAsync(
                Path.Combine(plugin, ".claude-plugin", "plugin.json"),
                """{"name":"bare-hook","version":"1.0.0"}"""
            );
            var wakes = Hook($"read -r line < {pipe}; echo \"$line\" >&2; exit 2", asyncRewake: true);
            var hooks = new Dictionary<string, object> { ["SessionStart"] = wakes, ["Stop"] = wakes };
            if (beforePrompt is not null)
                hooks["UserPromptSubmit"] = Hook(beforePrompt, asyncRewake: false);
            await File.WriteAllTextAsync(
                Path.Combine(plugin, "hooks", "hooks.json"),
                JsonSerializer.Serialize(new { hooks }, JsonSerializerOptions.Web)
            );
            using (var made = System.Diagnostics.Process.Start("mkfifo", [pipe]))
                await made.WaitForExitAsync();
            return new(
                api,
                await OpenedClaude.Open(folder, OpenedClaude.Prepare(folder, api.Url), "--plugin-dir", plugin),
                pipe
            );
        }

        static HookGroup[] Hook(string command, bool asyncRewake) =>
            [new([new("command", command, asyncRewake, Timeout: 86_400)])];

        public async Task<double> Wake(int number)
        {
            await Task.Delay(Rest);
            var reason = $"line {number + 2} of {Path.GetFileName(Path.GetDirectoryName(pipe))} came by hand";
            return await Measure(api, reason, () => File.WriteAllTextAsync(pipe, reason + "\n"));
        }

        public ValueTask DisposeAsync() => claude.DisposeAsync();

        sealed record HookGroup(IReadOnlyList<HookEntry> Hooks);

        sealed record HookEntry(string Type, string Command, bool AsyncRewake, int Timeout);
    }
}
