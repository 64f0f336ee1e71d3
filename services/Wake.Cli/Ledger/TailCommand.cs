using System.CommandLine;
using System.Text.Json;

namespace Wake.Cli;

/// <summary><c>wake tail</c>: the ledger as it is written.</summary>
sealed class TailCommand : ClientCommand
{
    public TailCommand()
        : base(
            "tail",
            "Shows every decision as it is taken, a line each, until Ctrl-C.",
            """
            Connects again when the connection drops; what is decided meanwhile is not shown.

            Examples:
              wake tail
              wake tail --output json | jq .what
            """
        ) => Accepts();

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        try
        {
            await foreach (var item in wake.Follow("/v1/tail", cancel, Output.Note))
            {
                // Sent when nothing happens, to see whether anybody is there.
                if (item.EventType == "ping")
                    continue;

                if (output.Json)
                    output.Raw(item.Data);
                else
                    LedgerText.Line(JsonSerializer.Deserialize(item.Data, CliJson.Default.LedgerLine)!, output);
            }

            return 0;
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            return 0;
        }
    }
}
