using System.Net;
using System.Runtime.InteropServices;
using Wake.Offline;

var (address, port) = (IPAddress.Loopback, 0);
string? file = null;

for (var i = 0; i < args.Length; i++)
{
    switch (args[i])
    {
        case "--help" or "-h":
            Console.WriteLine(Help.Text);
            return 0;

        case "--port" when i + 1 < args.Length && ushort.TryParse(args[i + 1], out var number):
            port = number;
            i++;
            break;

        case "--address" when i + 1 < args.Length && IPAddress.TryParse(args[i + 1], out var named):
            address = named;
            i++;
            break;

        case "--log" when i + 1 < args.Length:
            file = args[++i];
            break;

        default:
            Console.Error.WriteLine($"Cannot make sense of {args[i]}. See --help.");
            return 2;
    }
}

var stop = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);

try
{
    await using var log = file is null ? null : File.AppendText(file);
    await using var api = await MessagesApi.Start(port, log, address);

    Console.WriteLine($"ready {api.Url}");
    await stop.Task;
    return 0;
}
catch (Exception cannot) when (cannot is IOException or UnauthorizedAccessException)
{
    // The port or the log file: the message names it, and a stack trace would only hide that.
    Console.Error.WriteLine(cannot.Message);
    return 1;
}

void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.TrySetResult();
}
