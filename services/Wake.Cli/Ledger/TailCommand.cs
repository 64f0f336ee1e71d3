using System.CommandLine;
using System.Net.ServerSentEvents;
using System.Text.Json;

namespace Wake.Cli;

/// <summary><c>wake tail</c>: the ledger as it is written.</summary>
sealed class TailCommand : ClientCommand
{
    static readonly TimeSpan ReconnectDelay = TimeSpan.FromSeconds(1);

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
            // The first time it has to be there.
            var stream = await wake.OpenEventStream("/v1/tail", cancel);
            for (; ; )
            {
                await Show(stream, output, cancel);
                Output.Note("The connection was lost; connecting again.");
                stream = await Reconnect(wake, cancel);
                Output.Note("Connected again.");
            }
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            return 0;
        }
    }

    static async Task Show(Stream stream, Output output, CancellationToken cancel)
    {
        await using var open = stream;
        try
        {
            await foreach (var item in SseParser.Create(stream, (_, data) => data.ToArray()).EnumerateAsync(cancel))
            {
                // Sent when nothing happens, to see whether anybody is there.
                if (item.EventType == "ping")
                    continue;

                if (output.Json)
                    output.Raw(item.Data);
                else
                    LedgerText.Line(JsonSerializer.Deserialize(item.Data, CliJson.Default.LedgerLine)!, output);
            }
        }
        catch (Exception dropped) when (dropped is IOException or HttpRequestException)
        {
            // As good as an end of the stream; ReaderGoneException is another matter and passes.
        }
    }

    static async Task<Stream> Reconnect(WakeClient wake, CancellationToken cancel)
    {
        for (; ; )
        {
            await Task.Delay(ReconnectDelay, cancel);
            try
            {
                return await wake.OpenEventStream("/v1/tail", cancel);
            }
            catch (NoAnswerException)
            {
                // Not yet.
            }
        }
    }
}
