namespace Wake.Store;

/// <summary>Where the result of a turn is reported.</summary>
public enum ReportPolicy
{
    /// <summary>Nowhere.</summary>
    None,

    /// <summary>In one comment on the pull request or issue, which is edited after every turn. GitHub alone; the
    /// account needs <c>Issues: write</c> and <c>Pull requests: write</c>.</summary>
    Comment,

    /// <summary>As a status of the commit that the turn was about. GitHub alone; the account needs <c>Commit statuses:
    /// write</c>.</summary>
    Status,
}
