using System.Net;

namespace Wake.WebConsole;

/// <summary>The API refused a call or did not answer. The message is the gateway's own sentence where it gave
/// one.</summary>
public sealed class ApiException(string message, HttpStatusCode? status = null) : Exception(message)
{
    /// <summary>What it answered; null when it did not.</summary>
    public HttpStatusCode? Status => status;
}

/// <summary>Problem details (RFC 9457) as the API writes them.</summary>
sealed record ApiProblem(string? Title, string? Detail, Dictionary<string, string[]>? Errors)
{
    public string ToText() =>
        string.Join(
            ' ',
            (string[])
                [
                    Detail ?? Title ?? "The API refused this.",
                    .. (Errors ?? []).SelectMany(x => x.Value.Select(problem => $"{x.Key}: {problem}")),
                ]
        );
}
