namespace Wake.WebConsole;

/// <summary>
/// How browsers come in that the same process has let in by a link of <c>wake open</c>. Only <c>wake up</c> has it: its
/// gateway judges the cookie, with everything that it checks about the browser's connection.
/// </summary>
/// <param name="IsLetIn">Whether the cookie of a request counts.</param>
/// <param name="IsFromOwnUser">Whether the user at the other end of a connection is this process's own.</param>
public sealed record LocalBrowsers(Func<HttpContext, Task<bool>> IsLetIn, Func<ConnectionInfo, bool> IsFromOwnUser)
{
    /// <summary>The cookie that the gateway gives such a browser.</summary>
    public const string Cookie = "wake";
}
