using System.Globalization;
using Wake.Contracts;
using Wake.Contracts.Http;

namespace Wake.WebConsole.Components.Parts;

/// <summary>The words of the API as people read them, and how each is meant.</summary>
public static class Words
{
    /// <summary>What a session does.</summary>
    public static (string Word, string Kind) Of(Session session) =>
        session switch
        {
            { Paused: not null, State: not SessionState.Running } => ("paused", "waiting"),
            { State: SessionState.Idle } => ("idle", ""),
            { State: SessionState.Dispatched } => ("dispatched", "busy"),
            { State: SessionState.Running } => ("running", "busy"),
            { State: SessionState.Waiting } => ("waiting", "waiting"),
            { State: SessionState.Parked } => ("parked", "bad"),
            { State: SessionState.WaitingForAnswer } => ("waiting for an answer", "waiting"),
            { State: SessionState.Closed } => ("closed", ""),
            _ => (Spell($"{session.State}"), ""),
        };

    /// <summary>Where a turn stands, or how it ended.</summary>
    public static (string Word, string Kind) Of(Turn turn) =>
        turn switch
        {
            { Outcome: TurnOutcome.Completed } => ("completed", "good"),
            { Outcome: TurnOutcome.Failed or TurnOutcome.Refused } => (Spell($"{turn.Outcome}"), "bad"),
            { Outcome: { } outcome } => (Spell($"{outcome}"), "waiting"),
            { State: TurnState.Running or TurnState.Dispatched } => (Spell($"{turn.State}"), "busy"),
            { State: TurnState.Parked } => ("parked", "bad"),
            _ => (Spell($"{turn.State}"), "waiting"),
        };

    /// <summary>What became of an event at the intake.</summary>
    public static (string Word, string Kind) Of(IntakeOutcome outcome) =>
        outcome switch
        {
            IntakeOutcome.Routed => ("routed", "good"),
            IntakeOutcome.Unwatched => ("nobody watches", ""),
            _ => (Spell($"{outcome}"), "waiting"),
        };

    /// <summary>US dollars.</summary>
    public static string Usd(decimal amount) =>
        amount == 0 ? "–" : string.Create(CultureInfo.InvariantCulture, $"${amount:0.00##}");

    /// <summary>How long something took.</summary>
    public static string Duration(long milliseconds) =>
        milliseconds < 60_000
            ? string.Create(CultureInfo.InvariantCulture, $"{milliseconds / 1000.0:0.#} s")
            : string.Create(CultureInfo.InvariantCulture, $"{milliseconds / 60_000} min {milliseconds / 1000 % 60} s");

    /// <summary>A name of the contracts, WaitingForAnswer, as words.</summary>
    public static string Spell(string name) =>
        string.Concat(name.Select((x, i) => char.IsUpper(x) ? (i == 0 ? "" : " ") + char.ToLowerInvariant(x) : $"{x}"));
}
