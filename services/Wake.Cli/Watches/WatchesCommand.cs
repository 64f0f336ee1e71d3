using System.CommandLine;
using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary><c>wake watches</c>: who wants to hear of what.</summary>
sealed class WatchesCommand : ClientCommand
{
    const int Limit = 1000;

    readonly Option<string?> session = new("--session")
    {
        HelpName = "KEY",
        Description = "Only those of this session.",
    };
    readonly Option<Guid?> after = IdFormat.Option("--after", "ID", "Only those that were made after this one.");

    public WatchesCommand()
        : base(
            "watches",
            $"Lists watches, up to {Limit}.",
            """
            Example:
              wake watches --session implementer
            """
        ) => Accepts(session, after);

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var only = given.GetValue(session) is { } key ? $"&session={Uri.EscapeDataString(key)}" : "";
        var from = given.GetValue(after) is { } id ? $"&after={id}" : "";
        var answer = (await wake.Get($"/v1/watches?limit={Limit}{only}{from}", cancel)).EnsureSuccess();
        var watches = output.List(
            answer,
            CliJson.Default.WatchArray,
            [
                "ID",
                "SESSION",
                "SUBJECT",
                "TYPES",
                "WHERE",
                "UNTIL",
                "CI LOOP",
                "ON END",
                "REPORT",
                "EXPIRES",
                "EXPECTED BY",
                "INTENT",
            ],
            x =>
                [
                    $"{x.Id}",
                    x.Session,
                    x.Subject,
                    string.Join(' ', x.Types ?? ["*"]),
                    string.Join(", ", x.Where ?? []),
                    string.Join(' ', [.. x.Until ?? [], .. x.Once ? ["once"] : Array.Empty<string>()]),
                    CiOptions.Format(x.Ci),
                    EndOptions.Format(x.OnEnd, x.CloseAfterSeconds),
                    ReportOption.Format(x.Report),
                    x.Expires is { } end ? TimeFormat.Format(end) : "",
                    Expected(x),
                    x.Intent,
                ],
            "There are no watches."
        );
        if (watches.Length == Limit)
            Output.Note($"There may be more: wake watches --after={watches[^1].Id}; --session narrows them.");
        return 0;
    }

    /// <summary>The deadline, and what became of it.</summary>
    public static string Expected(Watch watch) =>
        watch switch
        {
            { ExpectBy: { } by, Expectation: WatchExpectation.Came } => $"{TimeFormat.Format(by)}, came",
            { ExpectBy: { } by, Expectation: WatchExpectation.Silent } => $"{TimeFormat.Format(by)}, silent",
            { ExpectBy: { } by } => TimeFormat.Format(by),
            _ => "",
        };
}
