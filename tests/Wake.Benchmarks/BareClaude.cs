using System.Diagnostics;
using Wake.Offline;
using Wake.Runner;

namespace Wake.Benchmarks;

/// <summary>The real CLI run without Wake: a session of its own, as long as the woken one's.</summary>
/// <param name="api">What it asks.</param>
/// <param name="workspace">Where it works.</param>
/// <param name="settings">The environment of the runner beside it.</param>
/// <param name="stays">Whether its process takes one message after the other.</param>
sealed class BareClaude(MessagesApi api, string workspace, IReadOnlyDictionary<string, string> settings, bool stays)
    : IAsyncDisposable
{
    readonly Guid session = Guid.NewGuid();
    Process? process;
    bool resume;

    /// <summary>Milliseconds from the start, or from the message to a process that stays, to what the model sees and to
    /// the result.</summary>
    public async Task<(double Request, double Result)> SendMessage(int number)
    {
        var prompt = $"word {number} came by hand";
        var command = new ClaudeCommand(
            session,
            resume,
            workspace,
            new(),
            Guid.NewGuid(),
            MayRepeatMessage: false,
            prompt
        );
        resume = true;

        var seen = api.Next(x => x.IsInTail(prompt));
        var began = DateTimeOffset.UtcNow;
        process ??= Start(command);
        await process.StandardInput.BaseStream.WriteAsync(command.UserMessageLine());
        await process.StandardInput.BaseStream.FlushAsync();
        if (!stays)
            process.StandardInput.Close();

        while (
            await process.StandardOutput.ReadLineAsync() is { } line
            && !line.Contains("\"type\":\"result\"", StringComparison.Ordinal)
        ) { }

        var ended = DateTimeOffset.UtcNow;
        if (!stays)
            await End();
        return (((await seen).At - began).TotalMilliseconds, (ended - began).TotalMilliseconds);
    }

    public async ValueTask DisposeAsync()
    {
        process?.StandardInput.Close();
        await End();
    }

    async Task End()
    {
        if (process is null)
            return;

        await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        process.Dispose();
        process = null;
    }

    Process Start(ClaudeCommand command)
    {
        var start = new ProcessStartInfo(settings["Claude__Executable"], command.Arguments())
        {
            WorkingDirectory = workspace,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        var own = Environment
            .GetEnvironmentVariables()
            .Keys.Cast<string>()
            .Where(x =>
                !x.StartsWith("CLAUDE", StringComparison.Ordinal)
                && !x.StartsWith("ANTHROPIC", StringComparison.Ordinal)
            )
            .ToDictionary(x => x, x => Environment.GetEnvironmentVariable(x)!);
        foreach (var (name, value) in settings)
            own[name] = value;
        start.Environment.Clear();
        foreach (
            var (name, value) in ClaudeEnvironment.Build(
                own,
                new(),
                isRepetition: false,
                trace: default,
                ProcessTable.NewTag()
            )
        )
            start.Environment[name] = value;

        var started = Process.Start(start)!;
        started.BeginErrorReadLine();
        return started;
    }
}
