using System.CommandLine;

namespace Wake.Cli;

/// <summary><c>wake audit</c>: whether Wake has kept its promises, from the rows alone.</summary>
sealed class AuditCommand : ClientCommand
{
    public AuditCommand()
        : base(
            "audit",
            "Checks the whole store for violated invariants: an event with no turn scheduled, a turn executed twice.",
            """
            Exit code 0 when every rule holds, 1 when one is broken. Changes nothing; a large store takes its time.

            Example:
              wake audit
            """
        ) => Accepts();

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var answer = (await wake.Get("/v1/audit", cancel)).EnsureSuccess();
        var findings = answer.ReadAs(CliJson.Default.AuditFindingArray);
        if (output.Json)
            output.Raw(answer.Body);

        foreach (var finding in output.Json ? [] : findings)
        {
            if (finding.Broken == 0)
                output.Line($"[green]holds[/]   {finding.Rule}");
            else
                output.Line($"[red]BROKEN[/]  {finding.Rule} ({finding.Broken} times)");
            foreach (var example in finding.Examples)
                output.Line($"        {example}");
        }

        return findings.All(x => x.Broken == 0) ? 0 : 1;
    }
}
