using Wake.Store;

namespace Wake.Cli;

/// <summary>What publishing would come to.</summary>
static class DryRun
{
    /// <summary>Asks, and says it.</summary>
    public static async Task<int> Send(WakeClient wake, byte[] events, Output output, CancellationToken cancel)
    {
        var answer = (await wake.Post("/v1/events?dryRun=true", events, cancel)).EnsureSuccess();
        if (output.Json)
        {
            output.Raw(answer.Body);
            return 0;
        }

        var rehearsals = answer.Body.AsSpan().TrimStart(" \r\n\t"u8) is [(byte)'[', ..]
            ? answer.ReadAs(CliJson.Default.DryRunResultArray)
            : [answer.ReadAs(CliJson.Default.DryRunResult)];
        foreach (var rehearsal in rehearsals)
            Show(rehearsal, output);
        return 0;
    }

    static void Show(DryRunResult rehearsal, Output output)
    {
        if (rehearsal is { DuplicateOf: { } first })
            output.Line($"{rehearsal.Id}: no session would receive it, it is a [yellow]duplicate[/] of {first}");
        else if (rehearsal.Withheld is > 0 and var withheld)
            output.Line(
                $"{rehearsal.Id}: [green]{withheld}[/] {(withheld == 1 ? "session" : "sessions")} would receive it; which is for keys with the scope sessions:read"
            );
        else if (rehearsal.Sessions is [])
            output.Line($"{rehearsal.Id}: no session would receive it, it is [yellow]unwatched[/]");

        foreach (var told in rehearsal.Sessions)
        {
            var what = (told.Begins, told.Wakes) switch
            {
                (true, _) => "would begin",
                (_, true) => "would wake",
                _ => "would receive it with its next turn",
            };
            var why = told switch
            {
                { Watch: { } watch } => $"watch {watch}",
                { Route: { } route } => $"route {route}",
                _ => "the event names it",
            };
            output.Line(
                $"{rehearsal.Id}: [green]{told.Session}[/] {what}: {why}, {Output.EnumWord(told.Prompt)} prompt"
            );
            if (told.Intent is { } intent)
                output.Line($"  it noted: {intent}");
            if (told.Words is { } words)
                output.Line($"  the route says: {words}");
            if (told.Text is { } text)
            {
                output.Line($"  it would read:");
                foreach (var line in text.Split('\n'))
                    output.Line($"{$"    {line}".TrimEnd()}");
            }
        }

        if (rehearsal.CollidesWith is { } holder)
            Output.Note($"{rehearsal.Id}: its dedup key is that of {holder}, which is another fact.");
        foreach (var warning in rehearsal.Warnings ?? [])
            Output.Note($"{rehearsal.Id}: {warning}");
        foreach (var unknown in rehearsal.UnknownSessions ?? [])
            Output.Note($"{rehearsal.Id}: there is no open session {unknown}.");
    }
}
