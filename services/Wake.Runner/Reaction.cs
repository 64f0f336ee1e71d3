using Wake.Contracts;
using Wake.Store;

namespace Wake.Runner;

/// <summary>What a runner does about the way a run ended. One reaction per result, decided here and nowhere else.</summary>
abstract record Reaction
{
    /// <summary>The turn is over.</summary>
    public sealed record End(TurnOutcome Outcome, string? Note) : Reaction;

    /// <summary>The turn is given back: tried again by itself, or parked.</summary>
    public sealed record GiveBack(TurnReturn How) : Reaction;

    /// <summary>The reaction to a result.</summary>
    /// <param name="result">How the run ended. Lost and already begun sessions are the caller's: they lead to another run.</param>
    /// <param name="failures">How often this turn was tried in vain, this time included; interruptions do not count.</param>
    /// <param name="options">How often and after which pauses it is tried.</param>
    /// <param name="now">The time, for limits that hold until a date.</param>
    public static Reaction To(ClaudeResult result, int failures, RunnerOptions options, DateTimeOffset now) => result switch
    {
        ClaudeResult.Completed { Already: true } => new End(TurnOutcome.Completed, "an earlier attempt had finished it"),
        ClaudeResult.Completed { Denied: 0 } => new End(TurnOutcome.Completed, null),
        ClaudeResult.Completed { Denied: var denied } => new End(TurnOutcome.Completed, $"{denied} tool calls were denied"),
        ClaudeResult.LimitReached { Limit: var limit } => new End(TurnOutcome.LimitReached, $"it reached {limit}"),
        ClaudeResult.Refused { Why: var why } => new End(TurnOutcome.Refused, why),

        ClaudeResult.Interrupted =>
            new GiveBack(new TurnReturn.Retry(TimeSpan.Zero, "interrupted because the runner shut down", Interrupted: true)),

        ClaudeResult.ApiUnavailable { Status: var status } =>
            Again(status is { } code ? $"the API answered {code}" : "the API did not answer", failures, options),
        ClaudeResult.Crashed { How: var how } => Again($"crashed: {how}", failures, options),
        ClaudeResult.Hung { What: var what, Acknowledged: var acknowledged } => Again($"hung: {what}", failures, options, acknowledged),

        ClaudeResult.UsageLimited { Until: var until } => new GiveBack(new TurnReturn.Park(
            until > now ? until - now : TimeSpan.Zero, $"the usage limit holds until {until:u}")),
        ClaudeResult.AccountProblem { What: var what } => Park($"the account needs attention: {what}"),
        ClaudeResult.Misconfigured { What: var what } => Park($"the CLI cannot run this way: {what}"),
        ClaudeResult.Poisoned { What: var what } => Park($"the API refuses this session's content: {what}"),

        _ => throw new InvalidOperationException($"No reaction to {result}."),
    };

    static GiveBack Park(string note) => new(new TurnReturn.Park(null, $"{note}. Wake the session again when it is mended."));

    static GiveBack Again(string note, int failures, RunnerOptions options, bool interrupted = false) => failures < options.MaxAttempts
        ? new(new TurnReturn.Retry(options.BackoffAfter(failures), note, interrupted))
        : new(new TurnReturn.Park(null, $"{note}, {failures} times in a row. Wake the session again to try once more."));
}
