namespace Wake.Contracts;

/// <summary>Headers that the API has of its own.</summary>
public static class ApiHeaders
{
    /// <summary>
    /// The person for whom a program calls that people log in to, as percent-encoded UTF-8, since a header has ASCII
    /// alone. Needs the scope <see cref="ApiScopes.PeopleName"/>.
    /// </summary>
    public const string OnBehalfOf = "X-Wake-On-Behalf-Of";
}
