using Wake.Contracts;
using Wake.ServiceDefaults;

namespace Wake.Gateway;

/// <summary>
/// The header by which a program that people log in to names the person for whom it calls. Its text comes from whoever
/// knows the person, and stands in the ledger for good.
/// </summary>
static class OnBehalfOf
{
    const string Header = ApiHeaders.OnBehalfOf;

    /// <summary>How long a name may be, in UTF-16 units: a mail address, and more.</summary>
    public const int MaxLength = 256;

    /// <summary>Whom a request names; null for nobody.</summary>
    public static string? Person(HttpRequest request) =>
        request.Headers[Header] is { Count: > 0 } given ? Uri.UnescapeDataString($"{given}") : null;

    /// <summary>Why this caller may not name this person; null when they may, or name nobody.</summary>
    public static IResult? Reject(HttpRequest request, Caller caller)
    {
        if (Person(request) is not { } person)
            return null;

        if (!caller.HasScope(ApiScopes.PeopleName))
        {
            request.HttpContext.Response.Headers.WWWAuthenticate =
                $"Bearer error=\"insufficient_scope\", scope=\"{ApiScopes.PeopleName}\"";
            return ProblemResults.Create(
                StatusCodes.Status403Forbidden,
                $"This key lacks the scope {ApiScopes.PeopleName}, without which it names nobody in {Header}."
            );
        }

        return
            string.IsNullOrWhiteSpace(person)
            || person.Length > MaxLength
            || VisibleText.ReplaceInvisible(person, _ => "") != person
            || StorableText.Problem(person) is not null
            ? ProblemResults.Create(
                StatusCodes.Status400BadRequest,
                $"{Header} is no name: from 1 to {MaxLength} characters that can be seen, percent-encoded."
            )
            : null;
    }
}
