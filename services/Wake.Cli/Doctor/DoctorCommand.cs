using System.CommandLine;

namespace Wake.Cli;

/// <summary><c>wake doctor</c>: what Wake needs on this machine, and what to do about what is missing.</summary>
sealed class DoctorCommand : WakeCommand
{
    public DoctorCommand()
        : base(
            "doctor",
            "Looks for everything Wake needs on this machine and says what to do about what is missing.",
            """
            Exit code 0 when everything needed is there. Looks at the environment of this shell: run it where you run wake up.

            Example:
              wake doctor
            """
        )
    {
        Add(CommonOptions.Data);
        Add(CommonOptions.Output);
        SetAction(Execute);
    }

    static async Task<int> Execute(ParseResult given, CancellationToken cancel)
    {
        var output = new Output(given.GetValue(CommonOptions.Output) == "json");
        var folder = CommonOptions.ResolveFolder(given.GetValue(CommonOptions.Data));

        List<CheckResult> findings = [];
        await foreach (var finding in new DoctorChecks(folder, given.GetValue(CommonOptions.Data)).RunAll(cancel))
        {
            findings.Add(finding);
            if (!output.Json)
                Show(finding, output);
        }

        if (output.Json)
            output.Raw([.. findings], CliJson.Default.CheckResultArray);
        return findings.All(x => x.Ok) ? 0 : 1;
    }

    static void Show(CheckResult finding, Output output)
    {
        if (finding.Ok)
            output.Line($"[green]ok[/]       {finding.Check, -14} {finding.Found}");
        else
            output.Line($"[red]FAILED[/]   {finding.Check, -14} {finding.Found}");

        if (finding.Fix is { } fix)
            output.Line($"                        {fix}");
    }
}

/// <summary>What was found about one thing Wake needs.</summary>
/// <param name="Check">The thing.</param>
/// <param name="Ok">Whether Wake can do its work with what was found.</param>
/// <param name="Found">What was found, without secrets.</param>
/// <param name="Fix">What to do; null when there is nothing to.</param>
sealed record CheckResult(string Check, bool Ok, string Found, string? Fix);
