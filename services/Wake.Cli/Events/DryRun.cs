using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary>What publishing would come to.</summary>
static class DryRun
{
    /// <summary>Asks, and says it.</summary>
    public static Task<int> Send(WakeClient wake, byte[] events, Output output, CancellationToken cancel) =>
        Send(wake, "/v1/events?dryRun=true", events, output, cancel);

    /// <summary>The same of another way to publish.</summary>
    public static async Task<int> Send(
        WakeClient wake,
        string path,
        byte[] body,
        Output output,
        CancellationToken cancel
    )
    {
        var answer = (await wake.Post(path, body, cancel)).EnsureSuccess();
        if (output.Json)
        {
            output.Raw(answer.Body);
            return 0;
        }

        var results = answer.Body.AsSpan().TrimStart(" \r\n\t"u8) is [(byte)'[', ..]
            ? answer.ReadAs(CliJson.Default.DryRunResultArray)
            : [answer.ReadAs(CliJson.Default.DryRunResult)];
        foreach (var result in results)
            Show(result, output);
        return 0;
    }

    static void Show(DryRunResult result, Output output)
    {
        if (result is { DuplicateOf: { } first })
            output.Line($"{result.Id}: no session would receive it, it is a [yellow]duplicate[/] of {first}");
        else if (result.Withheld is > 0 and var withheld)
        {
            var sessions = withheld == 1 ? "session" : "sessions";
            output.Line(
                $"{result.Id}: [green]{withheld}[/] {sessions} would receive it; which is for keys with sessions:read"
            );
        }
        else if (result.Sessions is [])
            output.Line($"{result.Id}: no session would receive it, it is [yellow]unwatched[/]");

        foreach (var entry in result.Sessions)
        {
            var what = (entry.Begins, entry.Wakes) switch
            {
                (true, _) => "would begin",
                (_, true) => "would wake",
                _ => "would receive it with its next turn",
            };
            var why = entry switch
            {
                { Watch: { } watch } => $"watch {watch}",
                { Route: { } route } => $"route {route}",
                _ => "the event names it",
            };
            output.Line(
                $"{result.Id}: [green]{entry.Session}[/] {what}: {why}, {Output.EnumWord(entry.Prompt)} prompt"
            );
            if (entry.HeldBy is { } held)
                output.Line($"  it would be held by the pause of {held}");
            if (entry.Intent is { } intent)
                output.Line($"  it noted: {intent}");
            if (entry.Words is { } words)
                output.Line($"  the route says: {words}");
            if (entry.Text is { } text)
            {
                output.Line($"  it would read:");
                foreach (var line in text.Split('\n'))
                    output.Line($"{$"    {line}".TrimEnd()}");
            }
        }

        if (result.CollidesWith is { } holder)
            Output.Note($"{result.Id}: its dedup key is that of {holder}, which is another fact.");
        foreach (var warning in result.Warnings ?? [])
            Output.Note($"{result.Id}: {warning}");
        foreach (var unknown in result.UnknownSessions ?? [])
            Output.Note($"{result.Id}: there is no open session {unknown}.");
    }
}
