using System.CommandLine;
using System.Text.Json;
using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary><c>wake sessions transcript</c>: what was said and done in a turn.</summary>
sealed class TranscriptCommand : ClientCommand
{
    readonly Argument<string> key = new("KEY") { Description = "The session's key." };

    readonly Argument<int?> number = new("WAKE")
    {
        Arity = ArgumentArity.ZeroOrOne,
        Description = "The number of the wake. Default: the last.",
    };

    readonly Option<bool> follow = CommonOptions.Flag("--follow", "Go on with what is said until the turn is over.");
    readonly Option<string?> cursor = CommonOptions.Cursor();

    public TranscriptCommand()
        : base(
            "transcript",
            "Shows what was said and done in a turn, as far as it is saved.",
            """
            A key needs the scope transcripts:read. What looks like a key or token is [redacted].

            Examples:
              wake sessions transcript implementer
              wake sessions transcript implementer 7 --output json
              wake sessions transcript implementer --follow
            """
        )
    {
        Accepts(key, number, follow, cursor);
        Validators.Add(given =>
        {
            if (given.GetValue(follow) && given.GetValue(cursor) is not null)
                given.AddError("--follow begins at the beginning of the turn. Leave --cursor out.");
        });
    }

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var session = SessionsCommand.ApiPath(given.GetRequiredValue(key));
        var turn =
            given.GetValue(number)
            ?? (await wake.Get(session, cancel)).EnsureSuccess().ReadAs(CliJson.Default.Session).LastTurn?.Number
            ?? throw new CommandException($"{given.GetRequiredValue(key)} has taken no turn.");
        var path = $"{session}/turns/{turn}";

        if (given.GetValue(follow))
            return await Follow(wake, $"{path}/live", output, cancel);

        var page = WakeClient.WithQuery($"{path}/transcript", ("limit", "1000"), ("cursor", given.GetValue(cursor)));
        var answer = (await wake.Get(page, cancel)).EnsureSuccess();
        if (output.Json)
            output.Raw(answer.Body);
        else
            Show(answer.ReadAs(CliJson.Default.TranscriptEntryArray), output);
        NoteNextPage("wake sessions transcript", answer);
        return 0;
    }

    static async Task<int> Follow(WakeClient wake, string path, Output output, CancellationToken cancel)
    {
        // A turn may last for longer than the gateway keeps a connection.
        await foreach (var item in wake.Follow(path, cancel))
        {
            if (item.EventType == "end")
                break;
            if (item.EventType != "entries")
                continue;

            if (output.Json)
                output.Raw(item.Data);
            else
                Show(JsonSerializer.Deserialize(item.Data, CliJson.Default.TranscriptEntryArray)!, output);
        }

        return 0;
    }

    static void Show(TranscriptEntry[] entries, Output output)
    {
        foreach (var entry in entries)
        {
            var what = entry.Tool is { } tool ? $"call {tool}" : Output.EnumWord(entry.Kind);
            output.Line(
                $"[dim]{(entry.At is { } at ? TimeFormat.Format(at) : "")}[/] {what}{(entry.Failed ? " (failed)" : "")}"
            );
            foreach (var line in $"{entry.Input ?? entry.Text}{(entry.Truncated ? " […]" : "")}".Split('\n'))
                output.Line($"{$"  {line}".TrimEnd()}");
        }
    }
}
