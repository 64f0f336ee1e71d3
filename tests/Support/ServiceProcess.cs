using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Wake.Testing;

/// <summary>One of our services as the process it is in production, configured only by its environment.</summary>
public sealed partial class ServiceProcess : IAsyncDisposable
{
    readonly Process process;
    readonly ConcurrentQueue<string> log = new();
    readonly TaskCompletionSource<Uri> listening = new(TaskCreationOptions.RunContinuationsAsynchronously);

    bool disposed;

    ServiceProcess(Process process) => this.process = process;

    public int Id => process.Id;

    /// <summary>Where its HTTP side listens.</summary>
    public Uri Url => listening.Task.Result;

    /// <summary>Everything it wrote.</summary>
    public string Log => string.Join('\n', log);

    public TimeSpan CpuTime
    {
        get
        {
            process.Refresh();
            return process.TotalProcessorTime;
        }
    }

    public long WorkingSet
    {
        get
        {
            process.Refresh();
            return process.WorkingSet64;
        }
    }

    /// <summary>Starts a service by its assembly's name and returns when it is ready.</summary>
    /// <param name="service">The assembly's name.</param>
    /// <param name="environment">Its configuration.</param>
    /// <param name="folder">Where it was built; default: with these tests.</param>
    /// <param name="wrapper">A command that runs it; default: none.</param>
    public static async Task<ServiceProcess> Start(
        string service,
        IReadOnlyDictionary<string, string> environment,
        string? folder = null,
        IReadOnlyList<string>? wrapper = null
    )
    {
        string[] command =
        [
            .. wrapper ?? [],
            "dotnet",
            Path.Combine(folder ?? AppContext.BaseDirectory, $"{service}.dll"),
        ];
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };

        // What a developer or a build machine has set for itself is not the service's business.
        foreach (
            var name in start
                .Environment.Keys.Where(x =>
                    x.StartsWith("CLAUDE", StringComparison.Ordinal)
                    || x.StartsWith("ANTHROPIC", StringComparison.Ordinal)
                    || x.StartsWith("OTEL", StringComparison.Ordinal)
                )
                .ToList()
        )
            start.Environment.Remove(name);

        start.Environment["HOME"] = Servers.Home;
        start.Environment["ASPNETCORE_URLS"] = "http://127.0.0.1:0";
        start.Environment["Logging__LogLevel__Default"] = "Warning";
        start.Environment["Logging__LogLevel__Wake"] = "Information";
        start.Environment["Logging__LogLevel__Microsoft.Hosting.Lifetime"] = "Information";
        foreach (var (name, value) in environment)
            start.Environment[name] = value;

        var service_ = new ServiceProcess(Process.Start(start)!);
        Servers.AlsoStop(service_);
        service_.process.OutputDataReceived += (_, line) => service_.Heard(line.Data);
        service_.process.ErrorDataReceived += (_, line) => service_.Heard(line.Data);
        service_.process.BeginOutputReadLine();
        service_.process.BeginErrorReadLine();

        try
        {
            await service_.listening.Task.WaitAsync(TimeSpan.FromSeconds(60));
            using var http = new HttpClient { BaseAddress = service_.Url };
            await Eventually.Holds(async () =>
                service_.process.HasExited
                    ? throw new InvalidOperationException($"{service} has ended with {service_.process.ExitCode}.")
                    : (await http.GetAsync("/health/ready")).IsSuccessStatusCode
            );
            return service_;
        }
        catch (Exception failed)
        {
            await service_.DisposeAsync();
            throw new InvalidOperationException($"{service} did not become ready:\n{service_.Log}", failed);
        }
    }

    /// <summary>Ends it the hard way: kill -9, nothing of its own runs any more.</summary>
    public async Task Kill()
    {
        process.Kill();
        await process.WaitForExitAsync();
    }

    /// <summary>Ends it the polite way, SIGTERM. Returns its exit code.</summary>
    public async Task<int> Stop()
    {
        using var kill = Process.Start("kill", ["-TERM", $"{process.Id}"]);
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
        return process.ExitCode;
    }

    /// <summary>Freezes it, as a stalled machine would be.</summary>
    public void Freeze() => Process.Start("kill", ["-STOP", $"{process.Id}"]).WaitForExit();

    public void Thaw() => Process.Start("kill", ["-CONT", $"{process.Id}"]).WaitForExit();

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref disposed, true))
            return;

        if (!process.HasExited)
            process.Kill(entireProcessTree: true);
        await process.WaitForExitAsync();
        process.Dispose();
    }

    void Heard(string? line)
    {
        if (line is null)
        {
            listening.TrySetException(new InvalidOperationException($"It ended:\n{Log}"));
            return;
        }

        log.Enqueue(line);
        if (Listening().Match(line) is { Success: true } match)
            listening.TrySetResult(new(match.Groups[1].Value));
    }

    [GeneratedRegex(@"(?:Now listening on: |^ready )(http://\S+)")]
    private static partial Regex Listening();
}
