using System.Text.Json.Serialization;

namespace Wake.Contracts.Http;

/// <summary>A route to set. The configuration says the same in the section <c>Routes:NAME</c>.</summary>
public sealed record RouteDefinition
{
    /// <summary>The event types it matches, with <c>*</c> for anything. Default: all.</summary>
    public IReadOnlyList<string>? Types { get; init; }

    /// <summary>The subjects it matches, an event's own or a related one, with <c>*</c> for anything. Default:
    /// all.</summary>
    public string? Subject { get; init; }

    /// <summary>
    /// Conditions all of which must hold, each like <c>data.conclusion = failure</c> or <c>actor != octocat</c>.
    /// Default: none.
    /// </summary>
    public IReadOnlyList<string>? Where { get; init; }

    /// <summary>The session's key, in which <c>{subject}</c> stands for the subject that matched:
    /// <c>implementer@{subject}</c>. Required.</summary>
    public string? Session { get; init; }

    /// <summary>The profile of a session it begins. Default: <c>default</c>.</summary>
    public string? Profile { get; init; }

    /// <summary>
    /// The absolute path of the directory of a session it begins, in which <c>{session}</c> stands for a name made from
    /// the session's key: <c>/srv/wake/{session}</c>. Required.
    /// </summary>
    public string? Workspace { get; init; }

    /// <summary>What a session that begins is told to do about such an event, beside the event itself. Trusted words,
    /// the owner's. Default: nothing.</summary>
    public string? FullPrompt { get; init; }

    /// <summary>Prompt for a session that is resumed and already has context. Default: <c>fullPrompt</c>.</summary>
    public string? DeltaPrompt { get; init; }

    /// <summary>
    /// What becomes of the session that has a subject by this route's key when the pull request or issue is merged or
    /// closed, or the branch deleted. Default: <c>keep</c>.
    /// </summary>
    public EndPolicy? OnEnd { get; init; }

    /// <summary>With <c>close</c>: how many seconds after the end it closes, unless something else has woken it by
    /// then. Default: 0.</summary>
    public int? CloseAfterSeconds { get; init; }

    /// <summary>What is done about failures of CI before and while its sessions try to mend them; <c>{}</c> for the
    /// defaults. Default: each failure is told as it comes.</summary>
    public CiPolicy? Ci { get; init; }

    /// <summary>Where the results of turns are reported that its events wake. Default: what the profile says, which is
    /// nowhere unless it is set.</summary>
    public ReportPolicy? Report { get; init; }
}

/// <summary>Where the result of a turn is reported.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<ReportPolicy>))]
public enum ReportPolicy
{
    /// <summary>Nowhere.</summary>
    None,

    /// <summary>In one comment on the pull request or issue of GitHub, which is edited after every turn.</summary>
    Comment,

    /// <summary>As a status of the commit that the turn was about.</summary>
    Status,
}

/// <summary>What becomes of a session when its subject is over.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<EndPolicy>))]
public enum EndPolicy
{
    /// <summary>It goes on.</summary>
    Keep,

    /// <summary>It takes its last turn, if it waits for that, and closes. It comes back with its memory.</summary>
    Close,
}

/// <summary>What is done about failures of CI. It speaks of <c>github.ci.completed</c>.</summary>
public sealed record CiPolicy
{
    /// <summary>Whether failed jobs of GitHub Actions are run again before anybody is told of them, once on each
    /// commit. Default: true.</summary>
    public bool? RerunFirst { get; init; }

    /// <summary>How often a session tries to mend one check. Default: 3.</summary>
    public int? AttemptsPerCheck { get; init; }

    /// <summary>How often a session tries to mend CI of one pull request. Default: 6.</summary>
    public int? AttemptsPerPullRequest { get; init; }

    /// <summary>Whether the session is parked for a person when its attempts are spent. Default: true.</summary>
    public bool? Escalate { get; init; }

    /// <summary>Whether it holds for everybody's pull requests, and not only for those that sessions have opened.
    /// Default: false.</summary>
    public bool? AllPullRequests { get; init; }
}

/// <summary>A standing rule: events that match belong to the session whose key it yields, which is begun at first
/// use.</summary>
/// <param name="Name">Its owner's name for it.</param>
/// <param name="Configured">Whether it stands in the configuration, and is changed there alone.</param>
/// <param name="Created">Since when it is as it is.</param>
public sealed record Route(string Name, bool Configured, DateTimeOffset Created)
{
    /// <summary>What may keep its sessions from working, told when it is set; null when nothing is known.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Warnings { get; init; }

    /// <summary>The event types it matches, with <c>*</c> for anything; null matches all.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Types { get; init; }

    /// <summary>The subjects it matches, with <c>*</c> for anything; null matches all.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Subject { get; init; }

    /// <summary>Conditions all of which must hold; null for none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Where { get; init; }

    /// <summary>The session's key, in which <c>{subject}</c> stands for the subject that matched.</summary>
    public string? Session { get; init; }

    /// <summary>The profile of a session it begins.</summary>
    public string? Profile { get; init; }

    /// <summary>The directory of a session it begins, in which <c>{session}</c> stands for a name made from the
    /// session's key.</summary>
    public string? Workspace { get; init; }

    /// <summary>What a session that begins is told to do about such an event; null for nothing.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? FullPrompt { get; init; }

    /// <summary>What a session that is resumed is told to do about it; null: the same.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? DeltaPrompt { get; init; }

    /// <summary>What becomes of its session when the subject is over; null: it goes on.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public EndPolicy? OnEnd { get; init; }

    /// <summary>How many seconds after that it closes; null: at once.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? CloseAfterSeconds { get; init; }

    /// <summary>What is done about failures of CI; null: each is told as it comes.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public CiPolicy? Ci { get; init; }

    /// <summary>Where the results of turns are reported that its events wake; null: what the profile says.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ReportPolicy? Report { get; init; }
}
