using System.Text.Json.Serialization;

namespace Wake.Contracts.Http;

/// <summary>Where people are notified, by its name in the settings of the notifiers.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Kind">How it is told: <c>webhook</c>, <c>ntfy</c>, <c>email</c>, <c>command</c>. More may come.</param>
/// <param name="State">Whether it is served.</param>
/// <param name="Waiting">How many notifications are on their way to it.</param>
/// <param name="WaitingSince">When the oldest of them was stated.</param>
/// <param name="Dead">How many were given up.</param>
/// <param name="LastDelivered">When something last arrived.</param>
/// <param name="LastError">Why an attempt last failed; null when none has.</param>
/// <param name="LastErrorAt">When that was.</param>
public sealed record NotificationTarget(
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
[JsonConverter(typeof(CamelCaseEnumConverter<NotificationState>))]
public enum NotificationState
{
    /// <summary>It is, and nothing waits because of it.</summary>
    Active,

    /// <summary>It is, and something that failed waits for its next attempt.</summary>
    Failing,

    /// <summary>It has said that it is gone. Nothing is sent to it until it is redriven.</summary>
    Stopped,

    /// <summary>No notifier that runs has it in its settings.</summary>
    Unserved,
}

/// <summary>A fact on its way to a target.</summary>
/// <param name="Id">The id of the fact, which every attempt has.</param>
/// <param name="Type">Its type.</param>
/// <param name="At">When it was stated.</param>
/// <param name="Session">The key of the session it is about; null when it is about none.</param>
/// <param name="Wake">The wake it is about; null when it is about none.</param>
/// <param name="Outcome">What has become of it.</param>
/// <param name="Attempts">How often it was sent.</param>
/// <param name="Due">When it is sent, or sent again.</param>
/// <param name="Error">Why the last attempt failed.</param>
/// <param name="Settled">When it arrived or was given up; null while it is on its way.</param>
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
[JsonConverter(typeof(CamelCaseEnumConverter<NotificationOutcome>))]
public enum NotificationOutcome
{
    /// <summary>It is on its way.</summary>
    Waiting,

    /// <summary>It arrived.</summary>
    Delivered,

    /// <summary>It was given up, and can be sent again.</summary>
    Dead,
}

/// <summary>What was sent again.</summary>
/// <param name="Redriven">How many notifications.</param>
public sealed record RedrivenNotifications(int Redriven);
