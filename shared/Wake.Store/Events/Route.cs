using System.Text;
using System.Text.RegularExpressions;
using Wake.Contracts;

namespace Wake.Store;

/// <summary>A standing rule: events that match belong to the session whose key it yields, which is begun at first
/// use.</summary>
/// <param name="Name">Its owner's name for it.</param>
/// <param name="Configured">Whether it stands in the configuration, and is changed there alone.</param>
/// <param name="Definition">The rule.</param>
/// <param name="Created">Since when it is as it is.</param>
public sealed record Route(string Name, bool Configured, RouteDefinition Definition, DateTimeOffset Created);

/// <summary>What a route says, in the configuration (<c>Routes:NAME</c>) as over the API.</summary>
public sealed partial record RouteDefinition
{
    /// <summary>What stands in <see cref="Session"/> for the subject.</summary>
    public const string SubjectPlaceholder = "{subject}";

    /// <summary>What stands in <see cref="Workspace"/> for the session's own directory.</summary>
    public const string SessionPlaceholder = "{session}";

    /// <summary>The event types it matches, with <c>*</c> for anything; left out, all.</summary>
    public IReadOnlyList<string>? Types { get; init; }

    /// <summary>The subjects it matches, an event's own or a related one, with <c>*</c> for anything; left out,
    /// all.</summary>
    public string? Subject { get; init; }

    /// <summary>Conditions all of which must hold, each like <c>data.conclusion = failure</c> or <c>actor !=
    /// octocat</c>.</summary>
    public IReadOnlyList<string>? Where { get; init; }

    /// <summary>The session's key, in which <c>{subject}</c> stands for the subject that matched:
    /// <c>implementer@{subject}</c>.</summary>
    public string? Session { get; init; }

    /// <summary>The keys of its sessions, with <c>*</c> for anything.</summary>
    internal string SessionKeys => Session!.Replace(SubjectPlaceholder, Subject ?? "*", StringComparison.Ordinal);

    /// <summary>The profile of a session it begins; left out, <c>default</c>.</summary>
    public string? Profile { get; init; }

    /// <summary>
    /// The absolute path of the directory of a session it begins, in which <c>{session}</c> stands for a name made from
    /// the session's key: <c>/srv/wake/{session}</c>.
    /// </summary>
    public string? Workspace { get; init; }

    /// <summary>What a session that begins is told to do about such an event, beside the event itself. Trusted words,
    /// the owner's.</summary>
    public string? FullPrompt { get; init; }

    /// <summary>
    /// Prompt for a session that is resumed and already has context. Left out: <see cref="FullPrompt"/>.
    /// </summary>
    public string? DeltaPrompt { get; init; }

    /// <summary>
    /// What becomes of the session that has a subject by this route's key when the pull request or issue is merged or
    /// closed, or the branch deleted. Left out, it goes on.
    /// </summary>
    public EndPolicy? OnEnd { get; init; }

    /// <summary>With <see cref="EndPolicy.Close" />: how long after the end it closes, unless something else has woken
    /// it by then: <c>01:00:00</c>. Left out, at once.</summary>
    public TimeSpan? CloseAfter { get; init; }

    /// <summary>How long after the end of a subject its session closes; null: it does not.</summary>
    internal TimeSpan? CloseDelay => OnEnd is EndPolicy.Close ? CloseAfter ?? TimeSpan.Zero : null;

    /// <summary>What is done about failures of CI; left out, each is told as it comes.</summary>
    public CiPolicy? Ci { get; init; }

    /// <summary>Where the results of turns are reported that its events wake; left out, what the profile
    /// says.</summary>
    public ReportPolicy? Report { get; init; }

    /// <summary>What is wrong with a route of this name, each as (field, sentence).</summary>
    public IEnumerable<(string Field, string Problem)> Problems(string name)
    {
        if (!Name().IsMatch(name))
            yield return (
                "name",
                "must be up to 100 letters, digits, dots, dashes and underscores, and begin with a letter or digit."
            );

        foreach (var (field, entries) in ((string, IReadOnlyList<string>?)[])[("types", Types), ("where", Where)])
        {
            if (entries is { Count: 0 or > EventLimits.MaxListEntries })
                yield return (field, $"must have from 1 to {EventLimits.MaxListEntries} entries, or be left out.");
        }

        foreach (var type in Types ?? [])
        {
            if (Wrong(type, EventLimits.MaxNameLength) is { } problem)
                yield return ("types", problem);
        }

        foreach (var condition in Where ?? [])
        {
            if (EventCondition.Problem(condition) is { } problem)
                yield return ("where", problem);
        }

        if (Subject is not null && Wrong(Subject, EventLimits.MaxKeyLength) is { } subject)
            yield return ("subject", subject);
        if (Profile is not null && Wrong(Profile, EventLimits.MaxNameLength) is { } profile)
            yield return ("profile", profile);

        if (Wrong(Session, EventLimits.MaxNameLength) is { } session)
            yield return ("session", session);
        else if (
            Braces().IsMatch(Session!.Replace(SubjectPlaceholder, ""))
            || !Session.Replace(SubjectPlaceholder, "").Any(char.IsLetterOrDigit)
        )
            yield return (
                "session",
                $"must have words of its own, and no * and no braces but those of {SubjectPlaceholder}."
            );

        if (OnEnd is { } policy && !Enum.IsDefined(policy))
            yield return ("onEnd", "must be keep or close.");
        else if (OnEnd is EndPolicy.Close && Session?.Contains(SubjectPlaceholder, StringComparison.Ordinal) != true)
            yield return (
                "onEnd",
                $"needs {SubjectPlaceholder} in session: a session of many subjects does not end with one of them."
            );
        if (CloseAfter is not null && OnEnd is not EndPolicy.Close)
            yield return ("closeAfter", "is for onEnd close.");
        else if (CloseAfter < TimeSpan.Zero || CloseAfter > MaxCloseAfter)
            yield return ("closeAfter", $"must be from 0 to {MaxCloseAfter.TotalDays:0} days.");

        if (Wrong(Workspace, 3000) is { } workspace)
            yield return ("workspace", workspace);
        else if (WorkspaceDirectory.Problem(Workspace!) is { } path)
            yield return ("workspace", path);
        else if (Braces().IsMatch(Workspace!.Replace(SessionPlaceholder, "")))
            yield return ("workspace", $"must have no * and no braces but those of {SessionPlaceholder}.");
        else if (
            Workspace
                .Split('/')
                .Any(x => Encoding.UTF8.GetByteCount(x.Replace(SessionPlaceholder, LongestFolder)) > MaxFileName)
        )
            yield return (
                "workspace",
                $"has a folder whose name no file system can hold: {MaxFileName} bytes are allowed."
            );

        if (Report is { } report && !Enum.IsDefined(report))
            yield return ("report", "must be none, comment or status.");

        foreach (var problem in Ci?.Problems() ?? [])
            yield return problem;

        foreach (var (field, text) in ((string, string?)[])[("fullPrompt", FullPrompt), ("deltaPrompt", DeltaPrompt)])
        {
            if (text is null)
                continue;
            if (Wrong(text, 20_000) is { } problem)
                yield return (field, problem);
            else if (text.Any(x => char.IsControl(x) && x is not ('\n' or '\r' or '\t')))
                yield return (field, "contains a control character.");
        }
    }

    // What session_folder makes at most of a key.
    static readonly string LongestFolder = new('x', 93);

    const int MaxFileName = 255;

    /// <summary>The longest that a session stays open after its subject is over.</summary>
    public static readonly TimeSpan MaxCloseAfter = TimeSpan.FromDays(365);

    static string? Wrong(string? text, int limit) =>
        string.IsNullOrWhiteSpace(text)
            ? "is required and must not be blank."
            : EventValidation.TextProblem(text, limit);

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9._-]{0,99}\z")]
    private static partial Regex Name();

    [GeneratedRegex("[{}*]")]
    private static partial Regex Braces();
}

/// <summary>What becomes of a session when its subject is over.</summary>
public enum EndPolicy
{
    /// <summary>It goes on.</summary>
    Keep,

    /// <summary>It takes its last turn, if it waits for that, and closes. It comes back with its memory.</summary>
    Close,
}
