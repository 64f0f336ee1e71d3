using System.CommandLine;
using System.Globalization;
using Wake.Standalone;

namespace Wake.Cli;

/// <summary><c>wake up</c>: all of Wake in this process, until it is told to stop.</summary>
sealed class UpCommand : WakeCommand
{
    readonly Option<int?> port = new("--port")
    {
        HelpName = "N",
        Description =
            $"The port on loopback; 0 for any. Default: {StandaloneHost.DefaultPort}, or any if that is taken.",
        CustomParser = given =>
        {
            if (ushort.TryParse(given.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
                return number;

            given.AddError($"--port: '{given.Tokens[0].Value}' is not a number from 0 to 65535.");
            return null;
        },
    };

    public UpCommand()
        : base(
            "up",
            "Runs Wake on this machine, with a PostgreSQL of its own, until Ctrl-C or SIGTERM.",
            """
            Prints one line on standard output when it serves: ready http://127.0.0.1:N. Everything else goes to standard error.

            Examples:
              wake up
              wake up --data ~/wake-test --port 0
            """
        )
    {
        Add(CommonOptions.Data);
        Add(port);
        SetAction(Execute);
    }

    async Task<int> Execute(ParseResult given, CancellationToken cancel)
    {
        try
        {
            await StandaloneHost.Run(
                CommonOptions.ResolveFolder(given.GetValue(CommonOptions.Data)).FullPath,
                given.GetValue(port),
                url => Console.WriteLine($"ready {url.GetLeftPart(UriPartial.Authority)}"),
                cancel
            );
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // Told to stop before it served.
        }

        return 0;
    }
}
