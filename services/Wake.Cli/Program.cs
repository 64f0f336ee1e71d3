using System.CommandLine.Invocation;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Wake.Cli;
using Wake.Runner;
using Wake.Standalone;

const int Failed = 1,
    Misused = 2;

if (WatchdogProcess.IsRequested(args))
    return await WatchdogProcess.RunWatchdog(args);

using var stop = new CancellationTokenSource();
long stopped = 0;
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Stop);

string[] arguments = args is [] ? ["--help"] : args;
var parsed = CommandTree.Parse(CommandTree.MakeFor(arguments), arguments);

if (parsed.Action is ParseErrorAction)
{
    foreach (var error in parsed.Errors)
        Output.Note(error.Message.Replace("\t", "  "));
    Output.Note($"See {Output.NameOf(parsed.CommandResult.Command)} --help.");
    return Misused;
}

// Nobody reads what these say on standard error.
if (
    parsed.CommandResult.Command is WakeCommand and not (UpCommand or McpCommand or StatusLineCommand)
    && !CurrentRun.Exists
)
    UndeliveredNotice.Print(
        CommonOptions
            .ResolveFolder(parsed.GetValue(CommonOptions.Data) ?? parsed.GetValue(CommonOptions.DataFolder))
            .Spool
    );

try
{
    var code = await parsed.InvokeAsync(
        new() { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null },
        stop.Token
    );
    return args is [] ? Misused : code;
}
catch (Exception failure)
    when (failure is CommandException or StandaloneException or IOException or UnauthorizedAccessException)
{
    Output.Note(failure.Message);
    return Failed;
}
catch (BrokenPipeException)
{
    // wake tail | head: it has what it wanted.
    return 0;
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    return Failed;
}
catch (Exception unexpected)
{
    // Whatever it was, scripts know 1 and nothing else; whoever fixes it wants all there is.
    Output.Note($"{unexpected}");
    return Failed;
}

// Later signals are left to the system, which ends the process: whoever sends them has waited long enough. One right
// after the first is the same request, sent to the group as well, and there may be a database to stop.
void Stop(PosixSignalContext signal)
{
    if (!stop.IsCancellationRequested)
        stopped = Stopwatch.GetTimestamp();

    signal.Cancel = Stopwatch.GetElapsedTime(stopped) < TimeSpan.FromSeconds(3);
    stop.Cancel();
}
