using System.Net.Http.Headers;
using Wake.Contracts;

namespace Wake.WebConsole;

/// <summary>By what a person is let in at the API.</summary>
abstract record Credential
{
    /// <summary>Puts it into a request to the API.</summary>
    /// <param name="headers">Those of the request.</param>
    /// <param name="authority">Scheme, host and port of the API.</param>
    public abstract void Apply(HttpRequestHeaders headers, string authority);

    /// <summary>A key of the API.</summary>
    /// <param name="Value">The key.</param>
    /// <param name="Person">For whom it is used, where it is that of a role; null where it is their own.</param>
    public sealed record Key(string Value, string? Person = null) : Credential
    {
        public override void Apply(HttpRequestHeaders headers, string authority)
        {
            headers.TryAddWithoutValidation("Authorization", $"Bearer {Value}");
            if (Person is not null)
                headers.TryAddWithoutValidation(ApiHeaders.OnBehalfOf, Uri.EscapeDataString(Person));
        }

        // Records print their members, and a key has no business in a log.
        public override string ToString() => nameof(Key);
    }

    /// <summary>The cookie of a browser that <c>wake open</c> has let in, which the API knows as well.</summary>
    public sealed record Browser(string Cookie) : Credential
    {
        public override void Apply(HttpRequestHeaders headers, string authority)
        {
            headers.TryAddWithoutValidation("Cookie", $"{LocalBrowsers.Cookie}={Cookie}");

            // The API takes changes by a cookie from its own pages alone. The console has checked the browser's origin.
            headers.TryAddWithoutValidation("Origin", authority);
        }

        public override string ToString() => nameof(Browser);
    }
}
