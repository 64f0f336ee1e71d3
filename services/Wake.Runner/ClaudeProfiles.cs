using System.ComponentModel.DataAnnotations;

namespace Wake.Runner;

/// <summary>
/// What the sessions of a profile may do. From the section <c>Profiles</c>: <c>Profiles__NAME__PermissionMode</c> and so on.
/// The profile <c>default</c> also serves those that are not configured. (The quiet windows of the same section are read by
/// the intake.)
/// </summary>
sealed class ClaudeProfiles : Dictionary<string, ClaudeProfile>, IValidatableObject
{
    public const string Section = "Profiles";

    public ClaudeProfile Of(string profile) =>
        TryGetValue(profile, out var own) || TryGetValue("default", out own) ? own : new();

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        foreach (var (name, profile) in this)
        {
            (string Name, bool IsPositive)[] amounts =
            [
                (nameof(profile.MaxTurns), profile.MaxTurns is null or > 0),
                (nameof(profile.MaxBudgetUsd), profile.MaxBudgetUsd is null or > 0),
                (nameof(profile.SessionBudgetUsd), profile.SessionBudgetUsd is null or > 0),
                (nameof(profile.DayBudgetUsd), profile.DayBudgetUsd is null or > 0),
                (nameof(profile.TurnTimeout), !(profile.TurnTimeout <= TimeSpan.Zero)),
                (nameof(profile.IdleTimeout), !(profile.IdleTimeout <= TimeSpan.Zero)),
                (nameof(profile.AnswerWithin), !(profile.AnswerWithin <= TimeSpan.Zero)),
            ];
            foreach (var amount in amounts.Where(x => !x.IsPositive))
                yield return new($"{Section}:{name}:{amount.Name} must be positive.");

            if (profile.Repository is { } repository && (repository.StartsWith('-') || repository.Trim().Length == 0))
                yield return new($"{Section}:{name}:Repository is no address.");

            if (profile.Branch is { } branch && (profile.Repository is null || branch.StartsWith('-') || branch.Trim().Length == 0))
                yield return new($"{Section}:{name}:Branch must be the name of a branch of {Section}:{name}:Repository.");

            if (profile.StaleAfter < TimeSpan.Zero || profile.WarmFor < TimeSpan.Zero)
                yield return new($"{Section}:{name}:StaleAfter and WarmFor must not be negative.");
        }
    }
}

/// <summary>The options of one profile. Left out, the CLI's own defaults hold: nothing is allowed that it would not allow.</summary>
sealed class ClaudeProfile
{
    /// <summary>Passed as <c>--model</c>.</summary>
    public string? Model { get; init; }

    /// <summary>Passed as <c>--permission-mode</c>. Null leaves the CLI's default, which denies what it would ask about.</summary>
    public string? PermissionMode { get; init; }

    /// <summary>Passed as <c>--allowedTools</c>.</summary>
    public IReadOnlyList<string> AllowedTools { get; init; } = [];

    /// <summary>Passed as <c>--disallowedTools</c>.</summary>
    public IReadOnlyList<string> DisallowedTools { get; init; } = [];

    /// <summary>Passed as <c>--max-turns</c>: the model's steps within one of Wake's turns.</summary>
    public int? MaxTurns { get; init; }

    /// <summary>Passed as <c>--max-budget-usd</c>, per turn. The CLI looks after each reply, so a turn may exceed it by one.</summary>
    public decimal? MaxBudgetUsd { get; init; }

    /// <summary>What a session may spend in all. Looked at before a turn, so the last one may exceed it.</summary>
    public decimal? SessionBudgetUsd { get; init; }

    /// <summary>
    /// What the sessions of this profile may spend together on a day, UTC. Looked at before a turn, so the turns that run at
    /// the same time may exceed it.
    /// </summary>
    public decimal? DayBudgetUsd { get; init; }

    /// <summary>How long one turn may take in all. Null: <see cref="ClaudeOptions.TurnTimeout"/>.</summary>
    public TimeSpan? TurnTimeout { get; init; }

    /// <summary>How long a turn may say nothing at all. Null: <see cref="ClaudeOptions.IdleTimeout"/>.</summary>
    public TimeSpan? IdleTimeout { get; init; }

    /// <summary>
    /// Passed as <c>--setting-sources</c>. The default leaves out the workspace's own settings, whose hooks would run
    /// without anybody having trusted the workspace; <c>user,project,local</c> is for workspaces you trust.
    /// </summary>
    public string SettingSources { get; init; } = "user";

    /// <summary>When a wake goes on with the memory the session has, and when it begins a fresh Claude session.</summary>
    public ResumePolicy Resume { get; init; } = ResumePolicy.Auto;

    /// <summary>With <see cref="ResumePolicy.Auto"/>: a memory last used longer ago is not gone on with. Zero switches it off.</summary>
    public TimeSpan StaleAfter { get; init; } = TimeSpan.FromDays(7);

    /// <summary>
    /// Whether a fresh session may take over a wake whose lost one had called tools already. It would not know and could do
    /// the same again; by default the wake is parked for a person instead.
    /// </summary>
    public bool FreshAfterActing { get; init; }

    /// <summary>Whether commits in the workspace since the turn began count as having acted, whoever made them.</summary>
    public bool CheckCommits { get; init; } = true;

    /// <summary>
    /// The git repository from which a runner makes the workspace of a session where it is missing: an address as
    /// <c>git clone</c> takes it. Null: the workspace must be there.
    /// </summary>
    public string? Repository { get; init; }

    /// <summary>The branch such a workspace begins on. Null: the repository's default.</summary>
    public string? Branch { get; init; }

    /// <summary>
    /// How long the CLI's process stays after a turn. Zero: it ends with the turn. Null: <see cref="RunnerOptions.WarmFor"/>. It
    /// never stays with <see cref="MaxBudgetUsd"/>, which the CLI counts by process and not by turn.
    /// </summary>
    public TimeSpan? WarmFor { get; init; }

    /// <summary>What becomes of the session's questions.</summary>
    public QuestionPolicy Questions { get; init; } = QuestionPolicy.Defer;

    /// <summary>What becomes of the tool calls that the CLI would ask somebody about.</summary>
    public PermissionPolicy Permissions { get; init; } = PermissionPolicy.Deny;

    /// <summary>
    /// After how long a turn goes on without the answer it asked for; a permission is then not given. Null: it waits however long.
    /// </summary>
    public TimeSpan? AnswerWithin { get; init; }

    /// <summary>Further arguments for the CLI, passed as they are.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];
}

/// <summary>What becomes of the questions of a session.</summary>
enum QuestionPolicy
{
    /// <summary>A person answers when they like; the turn waits without a process, and goes on wherever.</summary>
    Defer,

    /// <summary>It has no tool to ask with.</summary>
    Off,
}

/// <summary>What becomes of the tool calls that the CLI's rules neither allow nor deny.</summary>
enum PermissionPolicy
{
    /// <summary>They are denied, as the CLI does where nobody is asked.</summary>
    Deny,

    /// <summary>A person decides, as about a question.</summary>
    Ask,
}

/// <summary>When a wake goes on with the memory its session has.</summary>
enum ResumePolicy
{
    /// <summary>Whenever it can be resumed, is whole, and is not stale. Else a fresh session begins, and is told why.</summary>
    Auto,

    /// <summary>Whatever its age. When it cannot be, the wake is parked: no fresh session ever begins in its place.</summary>
    Always,

    /// <summary>Never: every wake begins a fresh session.</summary>
    Never,
}
