namespace Wake.Gateway;

/// <summary>The next page of a list, as a link in the header of the answer (RFC 8288).</summary>
static class PageLinks
{
    /// <summary>What a parameter <c>cursor</c> is.</summary>
    public const string CursorDescription =
        "Where the page before has ended: cursor of the link to the next page, with the same filters and order.";

    const string Parameter = "cursor";

    /// <summary>Says that the answers of an endpoint link to the next page.</summary>
    public static T WithNextPage<T>(this T endpoint)
        where T : IEndpointConventionBuilder => endpoint.WithMetadata(new LinksToNextPage());

    /// <summary>Links to the page with this cursor; null: this is the last.</summary>
    public static void LinkNextPage(this HttpContext http, string? cursor)
    {
        if (cursor is null)
            return;

        var same = http
            .Request.Query.Where(x => !x.Key.Equals(Parameter, StringComparison.OrdinalIgnoreCase))
            .SelectMany(x => x.Value, (x, value) => KeyValuePair.Create(x.Key, value));
        var query = QueryString.Create(same.Append(KeyValuePair.Create(Parameter, (string?)cursor)));
        http.Response.Headers.Link = $"<{http.Request.PathBase}{http.Request.Path}{query}>; rel=\"next\"";
    }

    /// <summary>The answer to a cursor of another list, or of the same in another order.</summary>
    public static IResult InvalidCursor() =>
        ProblemResults.Invalid(
            Parameter,
            "is none of this list in this order. Take it from the link to the next page, or leave it out."
        );

    /// <summary>The answers of an endpoint link to the next page.</summary>
    public sealed record LinksToNextPage;
}
