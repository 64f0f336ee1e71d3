using System.Text.Json;

namespace Wake.Store;

/// <summary>Which facts a target is told of.</summary>
/// <param name="Target">Its name.</param>
/// <param name="Kind">How it is told, for people.</param>
/// <param name="Types">The types of facts, with <c>*</c> for anything; null: all.</param>
/// <param name="Session">The keys of sessions, with <c>*</c> for anything; null: all.</param>
/// <param name="Profile">The profile of the sessions; null: any.</param>
/// <param name="Conditions">Conditions (see <see cref="EventCondition"/>) all of which must hold; null: none.</param>
/// <param name="Digest">Whether what is collected goes as one message.</param>
public sealed record NotificationRule(
    string Target,
    string Kind,
    IReadOnlyList<string>? Types,
    string? Session,
    string? Profile,
    IReadOnlyList<string>? Conditions,
    bool Digest
);

/// <summary>What people can be told of.</summary>
public static class NotificationFacts
{
    /// <summary>A person tries out a target. For that target alone.</summary>
    public const string Test = "test";

    /// <summary>The types that triggers state: 0021_notifications.sql and those after it.</summary>
    public static IReadOnlyList<string> Types { get; } =
    [
        "turn.completed",
        "turn.parked",
        "turn.failed",
        "question.asked",
        "question.answered",
        "question.expired",
        "budget.reached",
        "session.fresh",
        "session.closed",
        "breaker.opened",
        "silence",
        "wake.degraded",
    ];
}

/// <summary>A message that the caller is to send.</summary>
/// <param name="Target">To whom.</param>
/// <param name="Id">Its id: that of its fact, or of the first of them. The same in every attempt.</param>
/// <param name="Attempt">Counts from 1.</param>
/// <param name="Urgent">Whether one of its facts is.</param>
/// <param name="Facts">What it tells, in order.</param>
public sealed record ClaimedNotification(
    string Target,
    Guid Id,
    int Attempt,
    bool Urgent,
    IReadOnlyList<StatedFact> Facts
);

/// <summary>A fact. All its texts are untrusted.</summary>
/// <param name="Id">Names it, to every target.</param>
/// <param name="Type">What kind of fact.</param>
/// <param name="At">When it was stated.</param>
/// <param name="Data">The session, its profile, the wake, and what the type has beside them.</param>
/// <param name="Tool">The tool whose call waits for a person; null when none does.</param>
/// <param name="Input">The input of that call as JSON; null when it is too long to be told.</param>
public sealed record StatedFact(Guid Id, string Type, DateTimeOffset At, JsonElement Data, string? Tool, string? Input);

/// <summary>How a target is.</summary>
/// <param name="Name">Its name in the settings.</param>
/// <param name="Kind">How it is told.</param>
/// <param name="State">Whether it is served.</param>
/// <param name="Waiting">How many notifications are on their way.</param>
/// <param name="WaitingSince">When the oldest of them was stated.</param>
/// <param name="Dead">How many were given up.</param>
/// <param name="LastDelivered">When something last arrived.</param>
/// <param name="LastError">Why an attempt last failed.</param>
/// <param name="LastErrorAt">When that was.</param>
public sealed record NotificationTargetState(
    string Name,
    string Kind,
    NotificationState State,
    int Waiting,
    DateTimeOffset? WaitingSince,
    int Dead,
    DateTimeOffset? LastDelivered,
    string? LastError,
    DateTimeOffset? LastErrorAt
);

/// <summary>Whether a target is served.</summary>
public enum NotificationState
{
    /// <summary>It is, and nothing waits because of it.</summary>
    Active,

    /// <summary>It is, and something that failed waits for its next attempt.</summary>
    Failing,

    /// <summary>It has said that it is gone. Nothing is sent until somebody redrives it.</summary>
    Stopped,

    /// <summary>No notifier that runs has it in its settings.</summary>
    Unserved,
}

/// <summary>A fact on its way to a target.</summary>
/// <param name="Id">The fact's id.</param>
/// <param name="Type">Its type.</param>
/// <param name="At">When it was stated.</param>
/// <param name="Session">The session it is about.</param>
/// <param name="Wake">The wake it is about.</param>
/// <param name="Outcome">What has become of it.</param>
/// <param name="Attempts">How often it was sent.</param>
/// <param name="Due">When it is sent, or sent again.</param>
/// <param name="Error">Why the last attempt failed.</param>
/// <param name="Settled">When it arrived or was given up.</param>
public sealed record Notification(
    Guid Id,
    string Type,
    DateTimeOffset At,
    string? Session,
    int? Wake,
    NotificationOutcome Outcome,
    int Attempts,
    DateTimeOffset Due,
    string? Error,
    DateTimeOffset? Settled
);

/// <summary>What has become of a notification.</summary>
public enum NotificationOutcome
{
    /// <summary>It is on its way.</summary>
    Waiting,

    /// <summary>It arrived.</summary>
    Delivered,

    /// <summary>It was given up, and can be sent again.</summary>
    Dead,
}
