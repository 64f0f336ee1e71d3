using System.CommandLine;

namespace Wake.Cli;

/// <summary><c>wake replay</c>: an event once more.</summary>
sealed class ReplayCommand : ClientCommand
{
    readonly Argument<string> id = new("EVENT") { Description = "The id of the event, or of any observation of it." };

    readonly Option<string?> source = new("--source")
    {
        HelpName = "SOURCE",
        Description = "Of the events with this id, the one of this source.",
    };

    public ReplayCommand()
        : base(
            "replay",
            "Publishes an event once more, as a new one that says which it repeats.",
            """
            Whoever watches it now is told, and so are the sessions that it names.

            Example:
              wake replay 01234567-89ab-cdef-0123-456789abcdef
            """
        ) => Accepts(id, source);

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var which = given.GetValue(source) is { } named ? $"?source={Uri.EscapeDataString(named)}" : "";
        var path = $"/v1/events/{WakeClient.EscapeSegment(given.GetRequiredValue(id))}/replay{which}";

        var answer = (await wake.Post(path, cancel)).EnsureSuccess();
        if (output.Json)
            output.Raw(answer.Body);
        else
            PublishCommand.Show(answer.ReadAs(CliJson.Default.IntakeResult), output);
        return 0;
    }
}
