using Wake.Contracts;
using Wake.Store;

namespace Wake.Runner;

/// <summary>What a runner does about the way a run ended. One reaction per result, decided here and nowhere
/// else.</summary>
abstract record Reaction
{
    /// <inheritdoc cref="ClaudeRun.Unsaved" />
    public string? Unsaved { get; init; }

    /// <inheritdoc cref="ClaudeOutput.LastWords" />
    public string? LastWords { get; init; }

    /// <inheritdoc cref="ClaudeRun.Remarks" />
    public string? Remarks { get; init; }

    /// <summary>The turn is over.</summary>
    public sealed record End(TurnOutcome Outcome, string? Note) : Reaction;

    /// <summary>The turn is given back: tried again by itself, or parked.</summary>
    public sealed record Release(TurnRelease How) : Reaction;

    /// <summary>The turn goes on at once in a fresh session, if the owner's policy and what the failed run has done
    /// permit it.</summary>
    /// <param name="Why">Why the old one is left, for the record and for the new one.</param>
    public sealed record StartFresh(ResumeUnavailable Why) : Reaction;

    /// <summary>The turn goes on at once in the session that was to be begun and exists.</summary>
    public sealed record Resume : Reaction;

    /// <summary>No session can run here now: the turn is given back, and the runner takes no work until it
    /// can.</summary>
    /// <param name="How">What becomes of the turn.</param>
    /// <param name="Why">Why, for readiness and the log.</param>
    /// <param name="Until">Until when; null when nobody knows.</param>
    public sealed record PauseRunner(TurnRelease How, string Why, DateTimeOffset? Until) : Reaction;

    /// <summary>The reaction to a result.</summary>
    /// <param name="result">How the run ended.</param>
    /// <param name="failures">How often this turn was tried in vain, this time included; interruptions do not
    /// count.</param>
    /// <param name="options">How often and after which pauses it is tried.</param>
    /// <param name="now">The time, for limits that hold until a date.</param>
    public static Reaction For(ClaudeResult result, int failures, RunnerOptions options, DateTimeOffset now) =>
        result switch
        {
            ClaudeResult.Completed { AlreadyProcessed: true } => new End(TurnOutcome.Completed, Turns.FinishedBefore),
            ClaudeResult.Completed { DeniedCalls: 0 } => new End(TurnOutcome.Completed, null),
            ClaudeResult.Completed { DeniedCalls: var denied } => new End(
                TurnOutcome.Completed,
                $"{denied} tool calls were denied"
            ),
            ClaudeResult.LimitReached { Limit: var limit } => new End(TurnOutcome.LimitReached, $"it reached {limit}"),
            ClaudeResult.Refused { Why: var why } => new End(TurnOutcome.Refused, why),

            ClaudeResult.Deferred { Tool: var tool, Question: { } asks } => new Release(
                new TurnRelease.Park(
                    null,
                    $"it waits for a person: {tool} asks "
                        + (tool == ClaudeProtocol.QuestionTool ? "for an answer" : "to be allowed")
                        + ". wake questions shows what, wake answer answers it."
                )
                {
                    Question = asks,
                }
            ),

            // A hook of the owner's own has put it off.
            ClaudeResult.Deferred { Tool: var tool } => new Release(
                new TurnRelease.Park(
                    null,
                    $"it waits for a person: {tool} asks for an answer. Wake the session again to go on without one."
                )
            ),

            ClaudeResult.SessionLost { Why: var why } => new StartFresh(
                why ?? new(ResumeUnavailable.NotResumable, "the one before it could not be resumed")
            ),
            ClaudeResult.Poisoned => new StartFresh(
                new(ResumeUnavailable.Poisoned, "the one before it grew too large for the API")
            ),
            ClaudeResult.AlreadyBegun => new Resume(),

            ClaudeResult.Interrupted => new Release(
                new TurnRelease.Retry(TimeSpan.Zero, "interrupted because the runner shut down", Interrupted: true)
            ),

            // The CLI does not pass on Retry-After; that it gave up at once on a 429 says it was longer than the CLI
            // waits.
            ClaudeResult.ApiUnavailable { Status: var status, GaveUpAtOnce: var atOnce } => RetryOrPark(
                status is { } code ? $"the API answered {code}" : "the API did not answer",
                failures,
                options,
                status is 429 && atOnce ? options.MaxBackoff : null
            ),
            ClaudeResult.Crashed { How: var how } => RetryOrPark($"crashed: {how}", failures, options),
            ClaudeResult.Hung { What: var what } => RetryOrPark($"hung: {what}", failures, options),
            ClaudeResult.FilesFail { What: var what } => RetryOrPark(what, failures, options),

            ClaudeResult.UsageLimited { Until: var until } => new PauseRunner(
                // The date is by another clock, and may be over by this one.
                new TurnRelease.Park(
                    until - now > options.PauseRetryAfter ? until - now : options.PauseRetryAfter,
                    $"the usage limit holds until {until:u}"
                ),
                $"the usage limit of the account holds until {until:u}",
                until
            ),
            ClaudeResult.CannotRun { What: var what } => new PauseRunner(
                new TurnRelease.Retry(TimeSpan.Zero, $"no session can run there: {what}", Interrupted: true),
                what,
                null
            ),

            ClaudeResult.AccountProblem { What: var what } => ParkForOwner($"the account needs attention: {what}"),
            ClaudeResult.Misconfigured { What: var what } => ParkForOwner($"the CLI cannot run this way: {what}"),

            // A fresh session might be taken, or refused as well when it is the set-up: not worth a memory without
            // asking.
            ClaudeResult.ApiRefuses { What: var what } => ParkForOwner($"the API refuses this request: {what}"),

            _ => throw new InvalidOperationException($"No reaction to {result}."),
        };

    static Release ParkForOwner(string note) =>
        new(new TurnRelease.Park(null, $"{note}. Wake the session again when it is mended."));

    static Release RetryOrPark(string note, int failures, RunnerOptions options, TimeSpan? pause = null) =>
        failures < options.MaxAttempts
            ? new(new TurnRelease.Retry(pause ?? options.BackoffAfter(failures), note))
            : new(
                new TurnRelease.Park(
                    null,
                    $"{note}, {failures} times in a row. Wake the session again to try once more.",
                    Interrupted: false
                )
            );
}
