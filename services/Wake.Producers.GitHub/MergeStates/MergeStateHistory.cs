using System.Text.Json;

namespace Wake.Producers.GitHub;

/// <summary>
/// What became of the merge state of one pull request, pure. A state counts once it has stood for a while: what
/// flickers is never told, and what GitHub does not know changes nothing.
/// </summary>
sealed record MergeStateHistory
{
    // GitHub finds it out within seconds of being asked. Whatever takes longer than all of these shows at an ordinary
    // look.
    const int MaxQuestions = 6;

    static readonly TimeSpan FirstQuestion = TimeSpan.FromSeconds(5);

    /// <summary>The commit it was seen at last.</summary>
    public string? Head { get; init; }

    /// <summary>The last yes or no at that commit, and since when; unknown before the first.</summary>
    public MergeState Seen { get; init; }

    public DateTimeOffset Since { get; init; }

    /// <summary>How often in a row GitHub has not known since.</summary>
    public int Unanswered { get; init; }

    /// <summary>When to ask GitHub again; null when nothing is open.</summary>
    public DateTimeOffset? AskAt { get; init; }

    /// <summary>The last state that counted, and its commit. Unknown before the first.</summary>
    public MergeState Counted { get; init; }

    public string? CountedHead { get; init; }

    /// <summary>Whether the next state that counts is the one that a watch begins with, which is no news.</summary>
    public bool Baseline { get; init; } = true;

    /// <summary>How often each state was told: one conflict is told from the next by it.</summary>
    public IReadOnlyDictionary<string, int> Told { get; init; } = new Dictionary<string, int>();

    /// <summary>What counts and is not handed over yet. It is kept first: after a crash between the two, what was told
    /// would be taken for what was not, and its end for nothing new.</summary>
    public MergeStateChange? ToTell { get; init; }

    /// <summary>The result of CI that was told when GitHub was asked last: with another one the state may be
    /// another.</summary>
    public string? Checks { get; init; }

    /// <summary>The pull request in the last delivery, and when it was like that; null where a poll asks for
    /// it.</summary>
    public PullRequestSummary? Pull { get; init; }

    public DateTimeOffset? UpdatedAt { get; init; }

    public static MergeStateHistory FromJson(string json) =>
        JsonSerializer.Deserialize<MergeStateHistory>(json) ?? new();

    public string ToJson() => JsonSerializer.Serialize(this);

    /// <summary>The same when a watch begins, or the pull request itself does.</summary>
    public MergeStateHistory Begin(bool baseline) =>
        this with
        {
            Counted = MergeState.Unknown,
            CountedHead = null,
            Baseline = baseline,
        };

    /// <summary>The same after a look.</summary>
    public MergeStateHistory Observe(MergeState state, string head, DateTimeOffset at)
    {
        // What was said of another commit says nothing of this one.
        var known = head == Head ? this : this with { Head = head, Seen = MergeState.Unknown, Unanswered = 0 };
        if (state is MergeState.Unknown)
        {
            return known with
            {
                Unanswered = Math.Min(known.Unanswered + 1, MaxQuestions + 1),
                AskAt = known.Unanswered < MaxQuestions ? at + FirstQuestion * Math.Pow(2, known.Unanswered) : null,
            };
        }

        return known with
        {
            Seen = state,
            Since = state == known.Seen ? known.Since : at,
            Unanswered = 0,
            AskAt = null,
        };
    }

    /// <summary>Whether what was seen last would be news once it has stood long enough.</summary>
    public bool IsOpen =>
        Unanswered == 0
        && Seen is not MergeState.Unknown
        // A conflict or a readiness is of a commit: the next one has its own.
        && (Seen != Counted || (CountedHead != Head && Seen is MergeState.Conflicted or MergeState.Ready));

    /// <summary>Whether it has stood that long.</summary>
    public bool HasSettled(TimeSpan settle, DateTimeOffset at) => IsOpen && at - Since >= settle;

    /// <summary>The same once what was seen last counts, with what there is to tell of it.</summary>
    /// <param name="tellBaseline">Also the state that the watch began with.</param>
    public MergeStateHistory Count(bool tellBaseline = false)
    {
        var now = this with { Counted = Seen, CountedHead = Head, Baseline = false };
        var type = Seen switch
        {
            MergeState.Conflicted => "conflicted",
            MergeState.Behind => "behind",
            MergeState.Blocked => "blocked",
            MergeState.Ready => "ready",
            _ => Counted is MergeState.Conflicted or MergeState.Behind or MergeState.Blocked ? "unblocked" : null,
        };
        if (type is null || (Baseline && !tellBaseline))
            return now;

        var times = Told.GetValueOrDefault(type) + 1;
        return now with
        {
            Told = new Dictionary<string, int>(Told) { [type] = times },
            ToTell = new(type, Head!, times, Baseline),
        };
    }
}

/// <summary>A merge state that counts by now and is news.</summary>
/// <param name="Type">The last word of its event's type.</param>
/// <param name="Head">The commit.</param>
/// <param name="Times">How often that was told of the pull request by now.</param>
/// <param name="Baseline">It was so when the watch began.</param>
sealed record MergeStateChange(string Type, string Head, int Times, bool Baseline);
