using System.CommandLine;
using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary>The options that say what becomes of a session when its subject is over, and the same in lists.</summary>
static class EndOptions
{
    public static Option<EndPolicy?> OnEnd(string description) =>
        ChoiceOption.Create<EndPolicy>("--on-end", $"{description} Default: keep.");

    public static Option<TimeSpan?> CloseAfter() =>
        TimeFormat.DurationOption(
            "--close-after",
            "With --on-end close: how long after that it closes, unless something else has woken it. Default: at once."
        );

    public static string Format(EndPolicy? onEnd, int? closeAfterSeconds) =>
        onEnd is not EndPolicy.Close ? ""
        : closeAfterSeconds is { } after ? $"close after {TimeSpan.FromSeconds(after)}"
        : "close";
}
