using System.CommandLine;
using System.Diagnostics;

namespace Wake.Cli;

/// <summary><c>wake statusline</c>: what is sent to a session's status line, for a status line that shows
/// more.</summary>
sealed class StatusLineCommand : WakeCommand
{
    public StatusLineCommand()
        : base(
            "statusline",
            "Prints the line of a session that is open in a terminal, for Claude Code's statusLine.",
            """
            Reads what Claude Code tells a statusLine command, and prints nothing where there is nothing to say. What
            `wake plugin install --statusline` sets starts faster than this.

            Example:
              my-status-line() { input=$(cat); printf '%s ' "$PWD"; printf '%s' "$input" | wake statusline; }
            """
        ) => SetAction(Execute);

    static async Task<int> Execute(ParseResult given, CancellationToken cancel)
    {
        if (new PluginCopy(LocalTranscripts.ConfigFolder).FindProgram() is not { } program)
            return 0;

        // It reads and writes what this process was given.
        using var process = Process.Start(new ProcessStartInfo(program, ["statusline"]))!;
        await process.WaitForExitAsync(cancel);
        return 0;
    }
}
