using System.ComponentModel.DataAnnotations;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>
/// Limits on what Wake does. One that is reached opens a circuit breaker: no turn of what it covers is dispatched, and
/// events wait. A limit that is left empty does not hold.
/// </summary>
sealed class BreakerOptions : IValidatableObject
{
    public const string Section = "Breakers";

    /// <summary>How long a breaker is open before it is half-open, and one turn is tried. It is open for longer where
    /// the limit is reached for longer, and twice as long with each time in a row.</summary>
    public TimeSpan OpenFor { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>The longest time between two trials, but where the limit is reached for longer.</summary>
    public TimeSpan MaxOpenFor { get; init; } = TimeSpan.FromHours(4);

    /// <summary>
    /// The accounts that the sessions write as, also those that a person shares: what one of them does while a turn of
    /// a session runs, or within a minute after it, counts as caused by that turn. Without any, <c>ChainDepth</c>
    /// counts nothing.
    /// </summary>
    public IReadOnlyList<string> OwnLogins { get; init; } = [];

    /// <summary>What all sessions may do together.</summary>
    public SharedLimits All { get; init; } = new();

    /// <summary>What each session may do.</summary>
    public SessionLimits EachSession { get; init; } = new();

    /// <summary>What the sessions of a profile may do, by the profile's name.</summary>
    public IReadOnlyDictionary<string, ProfileLimits> Profiles { get; init; } = new Dictionary<string, ProfileLimits>();

    /// <summary>What the sessions may do together whose keys are those that a route gives, by the route's
    /// name.</summary>
    public IReadOnlyDictionary<string, SharedLimits> Routes { get; init; } = new Dictionary<string, SharedLimits>();

    /// <summary>What sources may publish, and what the turns may come to that events of one alone began.</summary>
    public IReadOnlyList<SourceLimits> Sources { get; init; } = [];

    /// <inheritdoc />
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (OpenFor <= TimeSpan.Zero || MaxOpenFor < OpenFor)
            yield return new($"{Section}: OpenFor must be positive, and MaxOpenFor must not be shorter.");

        if (OwnLogins.Any(string.IsNullOrWhiteSpace))
            yield return new($"{Section}:OwnLogins must not hold an empty one.");

        if (Sources.Any(x => string.IsNullOrWhiteSpace(x.Source)))
            yield return new($"{Section}:Sources: each needs its Source.");

        if (Sources.GroupBy(x => x.Source).FirstOrDefault(x => x.Count() > 1) is { } twice)
            yield return new($"{Section}:Sources: {twice.Key} is there twice.");

        if (Limits().FirstOrDefault(x => x.Amount <= 0) is { } none)
            yield return new($"{Section}:{PathOf(none)}: {none.Kind} must be positive.");
    }

    /// <summary>The same, one by one.</summary>
    public IReadOnlyList<BreakerLimit> Limits() =>
        [
            .. Shared(PauseScope.All, null, All),
            .. Each(null, EachSession),
            .. Profiles.SelectMany(x =>
                (BreakerLimit[])
                    [
                        new(PauseScope.Profile, x.Key, BreakerKind.TurnsPerHour, x.Value.TurnsPerHour),
                        new(PauseScope.Profile, x.Key, BreakerKind.UsdPerHour, x.Value.UsdPerHour),
                        .. x.Value.EachSession is { } own ? Each(x.Key, own) : [],
                    ]
            ),
            .. Routes.SelectMany(x => Shared(PauseScope.Route, x.Key, x.Value)),
            .. Sources.SelectMany(x =>
                (BreakerLimit[])
                    [
                        new(PauseScope.Source, x.Source, BreakerKind.EventsPerMinute, x.EventsPerMinute),
                        .. Shared(PauseScope.Source, x.Source, x),
                    ]
            ),
        ];

    // Below the section.
    string PathOf(BreakerLimit limit) =>
        limit switch
        {
            { Scope: PauseScope.Session, Name: { } profile } => $"Profiles:{profile}:EachSession",
            { Scope: PauseScope.Session } => "EachSession",
            { Scope: PauseScope.Profile } => $"Profiles:{limit.Name}",
            { Scope: PauseScope.Route } => $"Routes:{limit.Name}",
            { Scope: PauseScope.Source } => $"Sources:{Sources.TakeWhile(x => x.Source != limit.Name).Count()}",
            _ => "All",
        };

    static BreakerLimit[] Shared(PauseScope scope, string? name, SharedLimits limits) =>
        [
            new(scope, name, BreakerKind.TurnsPerHour, limits.TurnsPerHour),
            new(scope, name, BreakerKind.UsdPerHour, limits.UsdPerHour),
            new(scope, name, BreakerKind.UsdPerDay, limits.UsdPerDay),
        ];

    static BreakerLimit[] Each(string? profile, SessionLimits limits) =>
        [
            new(PauseScope.Session, profile, BreakerKind.TurnsPerHour, limits.TurnsPerHour),
            new(PauseScope.Session, profile, BreakerKind.UsdPerHour, limits.UsdPerHour),
            new(PauseScope.Session, profile, BreakerKind.UsdPerDay, limits.UsdPerDay),
            new(PauseScope.Session, profile, BreakerKind.ChainDepth, limits.ChainDepth),
        ];
}

/// <summary>What several sessions may do together.</summary>
class SharedLimits
{
    /// <summary>How many turns may be dispatched within an hour.</summary>
    public int? TurnsPerHour { get; init; }

    /// <summary>What turns may cost that end within an hour. Looked at before a turn, so those that run at the same
    /// time may exceed it.</summary>
    public decimal? UsdPerHour { get; init; }

    /// <summary>The same on a day, UTC.</summary>
    public decimal? UsdPerDay { get; init; }
}

/// <summary>What one session may do.</summary>
sealed class SessionLimits
{
    /// <summary>How many turns may be dispatched within an hour. Two a minute leaves room for a session that is told
    /// every minute, and ends one that wakes itself.</summary>
    public int? TurnsPerHour { get; init; } = 120;

    /// <summary>What turns may cost that end within an hour. Looked at before a turn.</summary>
    public decimal? UsdPerHour { get; init; }

    /// <summary>The same on a day, UTC.</summary>
    public decimal? UsdPerDay { get; init; }

    /// <summary>
    /// How many turns may follow each other that are each caused by what the session did in the one before: its own
    /// comment, review or push, by an account of <c>Breakers__OwnLogins</c>. A turn that something else is among the
    /// reasons of begins anew.
    /// </summary>
    public int? ChainDepth { get; init; } = 5;
}

/// <summary>What the sessions of a profile may do, together and each.</summary>
sealed class ProfileLimits
{
    /// <summary>How many turns of its sessions together may be dispatched within an hour.</summary>
    public int? TurnsPerHour { get; init; }

    /// <summary>What turns of its sessions together may cost that end within an hour. For a day:
    /// <c>Profiles__NAME__DayBudgetUsd</c>.</summary>
    public decimal? UsdPerHour { get; init; }

    /// <summary>What each of its sessions may do, in the place of <c>Breakers__EachSession</c>.</summary>
    public SessionLimits? EachSession { get; init; }
}

/// <summary>What may come of a source of events.</summary>
sealed class SourceLimits : SharedLimits
{
    /// <summary>The source, as its events name it: <c>github:webhook</c>.</summary>
    public string Source { get; init; } = "";

    /// <summary>How many events it may publish within a minute. Looked at each second. What it publishes then is kept,
    /// and wakes nobody until the breaker closes.</summary>
    public int? EventsPerMinute { get; init; }
}
