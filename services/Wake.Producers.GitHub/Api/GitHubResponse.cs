using System.Text.Json;

namespace Wake.Producers.GitHub;

/// <summary>What GitHub said to one request, if it said something one can rely on. Everything else is an
/// exception.</summary>
abstract record GitHubResponse
{
    /// <param name="Body">What is there now.</param>
    /// <param name="ETag">What to ask with next time; null where the answer has none.</param>
    /// <param name="Next">The next page.</param>
    /// <param name="ServerTime">The time at GitHub.</param>
    /// <param name="Path">Where it was in the end, below the API's address: elsewhere than asked for after a
    /// rename.</param>
    public sealed record Success(JsonElement Body, string? ETag, Uri? Next, DateTimeOffset ServerTime, string Path)
        : GitHubResponse;

    /// <summary>Nothing has changed since the ETag.</summary>
    public sealed record NotModified(DateTimeOffset ServerTime) : GitHubResponse;

    /// <summary>It is not there, or not for this account: GitHub does not tell which.</summary>
    public sealed record NotFound : GitHubResponse;

    /// <summary>This account may not ask that.</summary>
    public sealed record Forbidden : GitHubResponse;
}

/// <summary>What became of something that was to be written.</summary>
abstract record GitHubWritten
{
    /// <param name="Body">What is there now.</param>
    public sealed record Done(JsonElement Body) : GitHubWritten;

    /// <param name="Status">The status of the answer.</param>
    /// <param name="Why">The same with GitHub's words.</param>
    public sealed record Refused(int Status, string Why) : GitHubWritten;
}

/// <summary>GitHub has not answered in a way that says anything. Nothing may be concluded from it.</summary>
class GitHubUnavailableException(string message, DateTimeOffset? until = null) : Exception(message)
{
    /// <summary>When to ask again; null when only trying tells.</summary>
    public DateTimeOffset? RetryAt => until;
}
