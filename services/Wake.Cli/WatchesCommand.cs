using System.CommandLine;

namespace Wake.Cli;

/// <summary><c>wake watches</c>: who wants to hear of what.</summary>
sealed class WatchesCommand : ClientCommand
{
    const int Limit = 1000;

    readonly Option<string?> session = new("--session") { HelpName = "KEY", Description = "Only those of this session." };

    public WatchesCommand() : base("watches",
        $"Lists watches, up to {Limit}.",
        """
        Example:
          wake watches --session implementer
        """) => Takes(session);

    protected override async Task<int> Run(ParseResult given, WakeClient wake, Output output, CancellationToken cancel)
    {
        var only = given.GetValue(session) is { } key ? $"&session={Uri.EscapeDataString(key)}" : "";
        var answer = (await wake.Get($"/v1/watches?limit={Limit}{only}", cancel)).Expected();
        if (output.Json)
        {
            output.Raw(answer.Body);
            return 0;
        }

        var watches = answer.Read(CliJson.Default.WatchArray);
        output.Table(["ID", "SESSION", "SUBJECT", "TYPES", "WHERE", "UNTIL", "EXPIRES", "INTENT"], watches.Select(x => (string?[])
        [
            $"{x.Id}", x.Session, x.Subject, string.Join(' ', x.Types ?? ["*"]), string.Join(", ", x.Where ?? []),
            string.Join(' ', [.. x.Until ?? [], .. x.Once ? ["once"] : Array.Empty<string>()]), x.Expires is { } end ? Times.Shown(end) : "", x.Intent,
        ]));

        if (watches is [])
            Output.Note("There are no watches.");
        if (watches.Length == Limit)
            Output.Note($"Only the first {Limit}; --session narrows them.");
        return 0;
    }
}
