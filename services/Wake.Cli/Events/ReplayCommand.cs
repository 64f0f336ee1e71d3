using System.CommandLine;
using System.Text.Json;
using Wake.Contracts.Http;

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

    readonly Option<string?> type = new("--type") { HelpName = "TYPE", Description = "Another type." };
    readonly Option<string?> subject = new("--subject") { HelpName = "SUBJECT", Description = "Another subject." };
    readonly Option<string?> reason = new("--reason") { HelpName = "TEXT", Description = "Another sentence." };
    readonly Option<string?> data = new("--payload") { HelpName = "JSON", Description = "Other data." };
    readonly Option<bool> dryRun = CommonOptions.Flag(
        "--dry-run",
        "Publish nothing: say which sessions would receive it, why, and in which form."
    );

    public ReplayCommand()
        : base(
            "replay",
            "Publishes an event once more, as a new one that says which it repeats.",
            """
            Whoever watches it now is told, and so are the sessions that it names. What is said otherwise is only your word.

            Examples:
              wake replay 01234567-89ab-cdef-0123-456789abcdef
              wake replay 01234567-89ab-cdef-0123-456789abcdef --subject github:octo-org/hello#972 --dry-run
            """
        ) => Accepts(id, source, type, subject, reason, data, dryRun);

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var path = WakeClient.WithQuery(
            $"/v1/events/{WakeClient.EscapeSegment(given.GetRequiredValue(id))}/replay",
            ("source", given.GetValue(source)),
            ("dryRun", given.GetValue(dryRun) ? "true" : null)
        );
        var changes = JsonSerializer.SerializeToUtf8Bytes(
            new ReplayChanges(
                given.GetValue(type),
                given.GetValue(subject),
                given.GetValue(reason),
                Delivery: null,
                given.GetValue(data) is { } json ? ParseData(json) : null
            ),
            RequestJson.Default.ReplayChanges
        );
        if (given.GetValue(dryRun))
            return await DryRun.Send(wake, path, changes, output, cancel);

        var answer = (await wake.Post(path, changes, cancel)).EnsureSuccess();
        if (output.Json)
            output.Raw(answer.Body);
        else
            PublishCommand.Show(answer.ReadAs(CliJson.Default.IntakeResult), output);
        return 0;
    }

    static JsonElement ParseData(string text)
    {
        try
        {
            return JsonElement.Parse(text);
        }
        catch (JsonException)
        {
            throw new CommandException("--payload is not JSON.");
        }
    }
}
