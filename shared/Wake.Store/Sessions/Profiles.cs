using System.ComponentModel.DataAnnotations;
using Wake.Contracts;

namespace Wake.Store;

/// <summary>
/// How the sessions of a profile are woken and what they may do. From the section <c>Profiles</c>:
/// <c>Profiles__NAME__PermissionMode</c> and so on. The profile <c>default</c> also serves those that are not
/// configured. Coordinators, gateways and runners read it, each what it needs, and need the same values.
/// </summary>
public sealed class Profiles : Dictionary<string, Profile>, IValidatableObject
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Profiles";

    static readonly string[] SettingSources = ["user", "project", "local"];

    // Whoever wants no deadline says a long one.
    static readonly TimeSpan LongestWait = TimeSpan.FromDays(3650);

    // A terminal's claim waits for it, and must not be taken for gone meanwhile.
    static readonly TimeSpan LongestFactTimeout = TimeSpan.FromSeconds(15);

    /// <summary>The name of the profile that serves when no other is given or known.</summary>
    public const string DefaultName = "default";

    /// <summary>The profile of a name.</summary>
    public Profile GetOrDefault(string profile) =>
        TryGetValue(profile, out var own) || TryGetValue(DefaultName, out own) ? own : new();

    /// <inheritdoc />
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        foreach (var (name, profile) in this)
        {
            if (profile.QuietWindow < TimeSpan.Zero)
                yield return new($"{Section}:{name}:QuietWindow must not be negative.");

            if (profile.MaxWait < profile.QuietWindow)
                yield return new($"{Section}:{name}:MaxWait must not be shorter than its QuietWindow.");

            if (!RunnerQueues.IsValidPool(profile.Pool))
                yield return new(
                    $"{Section}:{name}:Pool must be lower-case letters, digits and hyphens, forty at most."
                );

            (string Name, bool IsPositive)[] amounts =
            [
                (nameof(profile.MaxTurns), profile.MaxTurns is null or > 0),
                (nameof(profile.MaxBudgetUsd), profile.MaxBudgetUsd is null or > 0),
                (nameof(profile.SessionBudgetUsd), profile.SessionBudgetUsd is null or > 0),
                (nameof(profile.DayBudgetUsd), profile.DayBudgetUsd is null or > 0),
                (nameof(profile.TurnTimeout), !(profile.TurnTimeout <= TimeSpan.Zero)),
                (nameof(profile.IdleTimeout), !(profile.IdleTimeout <= TimeSpan.Zero)),
                (nameof(profile.AnswerTimeout), profile.AnswerTimeout > TimeSpan.Zero),
                (nameof(profile.FactTimeout), profile.FactTimeout > TimeSpan.Zero),
            ];
            if (profile.FactTimeout > LongestFactTimeout)
                yield return new(
                    $"{Section}:{name}:FactTimeout must be at most {LongestFactTimeout.TotalSeconds:0} seconds."
                );
            if (profile.AnswerTimeout > LongestWait)
                yield return new($"{Section}:{name}:AnswerTimeout must be at most {LongestWait.TotalDays:0} days.");

            foreach (var amount in amounts.Where(x => !x.IsPositive))
                yield return new($"{Section}:{name}:{amount.Name} must be positive.");

            if (profile.Repository is { } repository && (repository.StartsWith('-') || repository.Trim().Length == 0))
                yield return new($"{Section}:{name}:Repository is no address.");

            if (
                profile.Branch is { } branch
                && (profile.Repository is null || branch.StartsWith('-') || branch.Trim().Length == 0)
            )
                yield return new(
                    $"{Section}:{name}:Branch must be the name of a branch of {Section}:{name}:Repository."
                );

            if (profile.SettingSources is { } sources && !sources.Split(',').All(SettingSources.Contains))
                yield return new(
                    $"{Section}:{name}:SettingSources must be of user, project and local, with commas between them."
                );

            foreach (var (field, problem) in profile.Ci?.Problems() ?? [])
                yield return new($"{Section}:{name}:Ci:{char.ToUpperInvariant(field[3])}{field[4..]} {problem}");

            if (profile.StaleAfter < TimeSpan.Zero || profile.WarmFor < TimeSpan.Zero)
                yield return new($"{Section}:{name}:StaleAfter and WarmFor must not be negative.");
        }
    }
}

/// <summary>The options of one profile. Left out, the CLI's own defaults hold: nothing is allowed that it would not
/// allow.</summary>
public sealed class Profile
{
    /// <summary>
    /// How long nothing more must happen before a session's events wake it. 2 s gathers what one push, merge or review
    /// sets off.
    /// </summary>
    public TimeSpan QuietWindow { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>The longest wait counted from the first event, so that a steady stream cannot put a wake off for
    /// ever.</summary>
    public TimeSpan MaxWait { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>The runners that run its sessions (<c>Runner__Pool</c> of theirs).</summary>
    public string Pool { get; init; } = RunnerQueues.DefaultPool;

    /// <summary>Passed as <c>--model</c>.</summary>
    public string? Model { get; init; }

    /// <summary>Passed as <c>--permission-mode</c>. Null leaves the CLI's default, which denies what it would ask
    /// about.</summary>
    public string? PermissionMode { get; init; }

    /// <summary>Passed as <c>--allowedTools</c>.</summary>
    public IReadOnlyList<string> AllowedTools { get; init; } = [];

    /// <summary>Passed as <c>--disallowedTools</c>.</summary>
    public IReadOnlyList<string> DisallowedTools { get; init; } = [];

    /// <summary>Passed as <c>--max-turns</c>: the model's steps within one of Wake's turns.</summary>
    public int? MaxTurns { get; init; }

    /// <summary>Passed as <c>--max-budget-usd</c>, per turn. The CLI looks after each reply, so a turn may exceed it by
    /// one.</summary>
    public decimal? MaxBudgetUsd { get; init; }

    /// <summary>What a session may spend in all. Looked at before a turn, so the last one may exceed it.</summary>
    public decimal? SessionBudgetUsd { get; init; }

    /// <summary>
    /// What the sessions of this profile may spend together on a day, UTC. Looked at before a turn, so the turns that
    /// run at the same time may exceed it.
    /// </summary>
    public decimal? DayBudgetUsd { get; init; }

    /// <summary>How long one turn may take in all. Null: <c>Claude__TurnTimeout</c>.</summary>
    public TimeSpan? TurnTimeout { get; init; }

    /// <summary>How long a turn may say nothing at all. Null: <c>Claude__IdleTimeout</c>.</summary>
    public TimeSpan? IdleTimeout { get; init; }

    /// <summary>
    /// Passed as <c>--setting-sources</c>: of <c>user</c>, <c>project</c> and <c>local</c> those that count, with
    /// commas. Null: all of them in a workspace that its owner has trusted in the CLI, or where they had begun the
    /// session themselves before they registered it; else <c>user</c>, since the hooks and servers of a workspace would
    /// run without anybody having trusted it.
    /// </summary>
    public string? SettingSources { get; init; }

    /// <summary>When a wake goes on with the memory the session has, and when it begins a fresh Claude
    /// session.</summary>
    public ResumePolicy Resume { get; init; } = ResumePolicy.Auto;

    /// <summary>With <see cref="ResumePolicy.Auto"/>: a memory last used longer ago is not gone on with. Zero switches
    /// it off.</summary>
    public TimeSpan StaleAfter { get; init; } = TimeSpan.FromDays(7);

    /// <summary>
    /// Whether a fresh session may take over a wake whose lost one had called tools already. It would not know and
    /// could do the same again; by default the wake is parked for a person instead.
    /// </summary>
    public bool FreshAfterSideEffects { get; init; }

    /// <summary>Whether commits in the workspace since the turn began count as having acted, whoever made
    /// them.</summary>
    public bool CheckCommits { get; init; } = true;

    /// <summary>
    /// The git repository from which a runner makes the workspace of a session where it is missing: an address as
    /// <c>git clone</c> takes it. Credentials in it are for the runner and do not reach the workspace. Null: the
    /// workspace must be there.
    /// </summary>
    public string? Repository { get; init; }

    /// <summary>The branch such a workspace begins on. Null: the repository's default.</summary>
    public string? Branch { get; init; }

    /// <summary>
    /// How long the CLI's process stays after a turn. Zero: it ends with the turn. Null: <c>Runner__WarmFor</c>. It
    /// never stays with <see cref="MaxBudgetUsd"/>, which the CLI counts by process and not by turn.
    /// </summary>
    public TimeSpan? WarmFor { get; init; }

    /// <summary>
    /// Whether a turn asks once more, before it begins, whether what it is about is still so. It is not run when
    /// nothing is: the pull request is merged by now, the checks are green, the comment is deleted.
    /// </summary>
    public bool CheckFacts { get; init; } = true;

    /// <summary>How long a turn waits for the answers. What is not answered by then is told as it was
    /// observed.</summary>
    public TimeSpan FactTimeout { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>
    /// What is done about failures of CI that its sessions are woken with, where neither the watch nor the route that
    /// brings one says. Null: each is told as it comes.
    /// </summary>
    public CiPolicy? Ci { get; init; }

    /// <summary>
    /// Where the results of its sessions' turns are reported, where neither the watch nor the route that has brought an
    /// event says. Null: nowhere.
    /// </summary>
    public ReportPolicy? Report { get; init; }

    /// <summary>What becomes of the session's questions.</summary>
    public QuestionPolicy Questions { get; init; } = QuestionPolicy.Defer;

    /// <summary>What becomes of the tool calls that the CLI would ask somebody about.</summary>
    public PermissionPolicy Permissions { get; init; } = PermissionPolicy.Deny;

    /// <summary>
    /// After how long a turn goes on without the answer it asked for; a permission is then not given. What happens
    /// meanwhile waits behind it, so it does not wait for ever; three days, because a weekend may lie between a
    /// question and whoever knows the answer.
    /// </summary>
    public TimeSpan AnswerTimeout { get; init; } = TimeSpan.FromDays(3);

    /// <summary>What a turn does while a process that Wake has not started has its Claude session open on the runner's
    /// machine.</summary>
    public WhenOpen WhenOpen { get; init; } = WhenOpen.Wait;

    /// <summary>Further arguments for the CLI, passed as they are.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];
}

/// <summary>What becomes of the questions of a session.</summary>
public enum QuestionPolicy
{
    /// <summary>A person answers when they like; the turn waits without a process, and goes on wherever.</summary>
    Defer,

    /// <summary>It has no tool to ask with.</summary>
    Off,
}

/// <summary>What becomes of the tool calls that the CLI's rules neither allow nor deny.</summary>
public enum PermissionPolicy
{
    /// <summary>They are denied, as the CLI does where nobody is asked.</summary>
    Deny,

    /// <summary>A person decides, as about a question.</summary>
    Ask,
}

/// <summary>What a turn does while somebody has its Claude session open.</summary>
public enum WhenOpen
{
    /// <summary>It waits until they have closed it.</summary>
    Wait,

    /// <summary>It runs beside them. The history forks: neither knows what the other is told.</summary>
    Takeover,
}

/// <summary>When a wake goes on with the memory its session has.</summary>
public enum ResumePolicy
{
    /// <summary>Whenever it can be resumed, is whole, and is not stale. Else a fresh session begins, and is told
    /// why.</summary>
    Auto,

    /// <summary>Whatever its age. When it cannot be, the wake is parked: no fresh session ever begins in its
    /// place.</summary>
    Always,

    /// <summary>Never: every wake begins a fresh session.</summary>
    Never,
}
