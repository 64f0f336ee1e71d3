using System.Diagnostics.Metrics;

namespace Wake.ServiceDefaults;

/// <summary>
/// What Wake measures: every metric's name, unit and attributes, but for what the store's intake counts by itself. No
/// attribute grows with sessions, events or time. Units are UCUM's; money has none there.
/// </summary>
public static class WakeMetrics
{
    static readonly Meter Meter = new(Telemetry.SourceName);

    // From what a warm session needs to what a busy pool lets one wait, in seconds.
    static readonly InstrumentAdvice<double> WaitBuckets = new()
    {
        HistogramBucketBoundaries = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600],
    };

    static readonly InstrumentAdvice<double> DurationBuckets = new()
    {
        HistogramBucketBoundaries = [0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200],
    };

    static readonly InstrumentAdvice<int> CountBuckets = new()
    {
        HistogramBucketBoundaries = [1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000],
    };

    /// <summary>Webhook deliveries, by <c>hook</c> and <c>outcome</c> (accepted, ignored, refused).</summary>
    public static readonly Counter<long> WebhookDeliveries = Meter.CreateCounter<long>(
        "wake.webhook.deliveries",
        "{delivery}",
        "Webhook deliveries by what became of them."
    );

    /// <summary>Webhook deliveries that failed at their sender, by <c>outcome</c> (recovered, lost).</summary>
    public static readonly Counter<long> MissedWebhookDeliveries = Meter.CreateCounter<long>(
        "wake.webhook.missed",
        "{delivery}",
        "Webhook deliveries that had failed, by whether they were sent again."
    );

    /// <summary>Pull requests that came into conflict, became ready and so on, by <c>state</c>.</summary>
    public static readonly Counter<long> MergeStateChanges = Meter.CreateCounter<long>(
        "wake.github.merge_states",
        "{change}",
        "Merge states of pull requests that were told."
    );

    /// <summary>Messages that were no events and wait in the error queue for somebody to look at them.</summary>
    public static readonly Gauge<long> DeadLetters = Meter.CreateGauge<long>(
        "wake.dead_letters",
        "{message}",
        "Messages that were no events, in the error queue."
    );

    /// <summary>
    /// Sessions that owe a turn, by <c>state</c> (collecting, dispatched, waiting, running, paused, parked, escalated,
    /// waitingForAnswer). Every coordinator tells it of the whole store: take the largest, not the sum.
    /// </summary>
    public static readonly Gauge<long> SessionsWaiting = Meter.CreateGauge<long>(
        "wake.sessions.waiting",
        "{session}",
        "Sessions that owe a turn, by how they wait."
    );

    /// <summary>Breakers that are not closed, by <c>state</c> (open, halfOpen). Every coordinator tells it of the whole
    /// store: take the largest, not the sum.</summary>
    public static readonly Gauge<long> BreakersOpen = Meter.CreateGauge<long>(
        "wake.breakers.open",
        "{breaker}",
        "Breakers that are not closed."
    );

    /// <summary>Breakers that have opened, by the <c>limit</c> that was reached and its <c>scope</c>.</summary>
    public static readonly Counter<long> BreakersOpened = Meter.CreateCounter<long>(
        "wake.breakers.opened",
        "{breaker}",
        "Breakers that have opened."
    );

    /// <summary>How long the one of them has waited that waits longest, by <c>state</c>; 0 when none does.</summary>
    public static readonly Gauge<double> SessionsWaitingAge = Meter.CreateGauge<double>(
        "wake.sessions.waiting.age",
        "s",
        "How long the session that waits longest has waited."
    );

    /// <summary>Sessions that were closed because the pull request, issue or branch that they had was over.</summary>
    public static readonly Counter<long> EndedSessions = Meter.CreateCounter<long>(
        "wake.sessions.ended",
        "{session}",
        "Sessions that were closed because their subject was over."
    );

    /// <summary>Watches whose deadline passed without an event.</summary>
    public static readonly Counter<long> SilentWatches = Meter.CreateCounter<long>(
        "wake.watches.silent",
        "{watch}",
        "Watches whose deadline passed without an event."
    );

    /// <summary>Sessions that were decided about in one transaction, since they were due together.</summary>
    public static readonly Histogram<int> DecisionSetSize = Meter.CreateHistogram(
        "wake.decision.set_size",
        "{session}",
        "Sessions that were decided about at once.",
        tags: null,
        CountBuckets
    );

    /// <summary>From the moment a wake's first event was routed to the moment its turn was claimed.</summary>
    public static readonly Histogram<double> WakeLatency = Meter.CreateHistogram(
        "wake.latency",
        "s",
        "From the first event of a wake to its turn.",
        tags: null,
        WaitBuckets
    );

    /// <summary>Events per turn.</summary>
    public static readonly Histogram<int> CoalesceSize = Meter.CreateHistogram(
        "wake.coalesce.size",
        "{event}",
        "Events that share a turn.",
        tags: null,
        CountBuckets
    );

    /// <summary>How long attempts take, by <c>outcome</c>: the turn's, or retried, parked, lost.</summary>
    public static readonly Histogram<double> TurnDuration = Meter.CreateHistogram(
        "wake.turn.duration",
        "s",
        "How long attempts at turns take.",
        tags: null,
        DurationBuckets
    );

    /// <summary>Turns that terminals took, by <c>outcome</c> (Completed, Failed, Stale, retried).</summary>
    public static readonly Counter<long> TerminalTurns = Meter.CreateCounter<long>(
        "wake.terminal.turns",
        "{turn}",
        "Turns that sessions took in the terminal that has them open."
    );

    /// <summary>Terminals that wait for wakes, connected to this gateway.</summary>
    public static readonly UpDownCounter<long> TerminalConnections = Meter.CreateUpDownCounter<long>(
        "wake.terminal.connections",
        "{terminal}",
        "Terminals that wait for the wakes of their sessions."
    );

    /// <summary>What turns cost, in US dollars as the CLI computes it.</summary>
    public static readonly Counter<double> TurnCost = Meter.CreateCounter<double>(
        "wake.turn.cost",
        "{USD}",
        "What turns cost in US dollars."
    );

    /// <summary>Attempts at telling people, by <c>target</c> and <c>outcome</c> (delivered, failed, dead).</summary>
    public static readonly Counter<long> Notifications = Meter.CreateCounter<long>(
        "wake.notifications",
        "{attempt}",
        "Attempts at sending notifications by what became of them."
    );

    /// <summary>Attempts at reporting results of turns, by <c>kind</c> (comment, status) and <c>outcome</c> (reported,
    /// failed, refused).</summary>
    public static readonly Counter<long> Reports = Meter.CreateCounter<long>(
        "wake.reports",
        "{attempt}",
        "Attempts at reporting results of turns by what became of them."
    );

    /// <summary>
    /// What people do in chats, by <c>target</c> and <c>outcome</c> (answered, chosen, late, told, command, stranger,
    /// ignored); <c>unreadable</c> counts attempts at reading a chat that failed.
    /// </summary>
    public static readonly Counter<long> ChatUpdates = Meter.CreateCounter<long>(
        "wake.chat.updates",
        "{update}",
        "What people do in chats by what became of it."
    );

    /// <summary>Leases that ran out while a turn was open: its runner died, froze, or was cut off.</summary>
    public static readonly Counter<long> LeasesLost = Meter.CreateCounter<long>(
        "wake.lease.lost",
        "{lease}",
        "Leases that ran out while a turn was open."
    );

    /// <summary>Sessions that could not be gone on with, by <c>class</c>.</summary>
    public static readonly Counter<long> ResumeFailures = Meter.CreateCounter<long>(
        "wake.resume.failures",
        "{failure}",
        "Sessions that could not be gone on with."
    );

    /// <summary>Sessions that were begun in place of such a one.</summary>
    public static readonly Counter<long> FreshRetries = Meter.CreateCounter<long>(
        "wake.fresh_retries",
        "{session}",
        "Sessions begun in place of another."
    );

    /// <summary>Runs of the CLI of which nobody knows how far they came, by <c>result</c> (crashed, hung).</summary>
    public static readonly Counter<long> UnknownOutcomes = Meter.CreateCounter<long>(
        "wake.unknown.outcomes",
        "{run}",
        "Runs of the CLI that ended without saying how far they came."
    );

    /// <summary>Browsers that have the console open. Each process tells it of its own: take the sum.</summary>
    public static readonly UpDownCounter<long> ConsoleBrowsers = Meter.CreateUpDownCounter<long>(
        "wake.console.browsers",
        "{browser}",
        "Browsers that have the console open."
    );

    /// <summary>Log-ins to the console, by <c>way</c> (key, openid) and <c>outcome</c> (accepted, refused,
    /// failed).</summary>
    public static readonly Counter<long> ConsoleLogins = Meter.CreateCounter<long>(
        "wake.console.logins",
        "{login}",
        "Log-ins to the console by what became of them."
    );

    /// <summary>What people pressed a button for in the console and did not get, by <c>reason</c> (scope, login, state,
    /// failed).</summary>
    public static readonly Counter<long> ConsoleRefusals = Meter.CreateCounter<long>(
        "wake.console.refusals",
        "{action}",
        "Actions in the console that the API did not do."
    );
}
