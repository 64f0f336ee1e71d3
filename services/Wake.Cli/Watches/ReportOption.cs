using System.CommandLine;
using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary><c>--report</c>, of watches and routes.</summary>
static class ReportOption
{
    public static Option<ReportPolicy?> Create(string description) =>
        ChoiceOption.Create<ReportPolicy>("--report", description);

    /// <summary>As a column of a table shows it.</summary>
    public static string Format(ReportPolicy? report) => report is { } where ? $"{where}".ToLowerInvariant() : "";
}
