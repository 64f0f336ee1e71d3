using Wake.Runner;
using Wake.Standalone;

if (WatchdogProcess.IsRequested(args))
    return await WatchdogProcess.RunWatchdog(args);

try
{
    await StandaloneHost.Run(
        data: Environment.GetEnvironmentVariable("WAKE_DATA"),
        port: null,
        ready: url => Console.WriteLine($"ready {url.GetLeftPart(UriPartial.Authority)}"),
        CancellationToken.None
    );
    return 0;
}
catch (StandaloneException problem)
{
    Console.Error.WriteLine(problem.Message);
    return 1;
}
