namespace Wake.Producers.GitHub;

/// <summary>
/// Follows redirects, as after a rename, and lets no request leave the API's own scheme, host and port: each has the
/// token. Octokit would follow by itself, and compares nothing but hosts.
/// </summary>
sealed class SameOriginHandler(GitHubAccount account) : DelegatingHandler
{
    const int MaxRedirects = 3;

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancel)
    {
        for (var redirects = 0; ; redirects++)
        {
            if (!IsApi(request.RequestUri!))
                throw new RedirectedElsewhereException(account.Host, request.RequestUri!);

            var answer = await base.SendAsync(request, cancel);
            var status = (int)answer.StatusCode;
            if (status is < 300 or 304 or >= 400)
                return answer;

            // Octokit takes what is neither an error nor followed for an answer.
            var target = status is 301 or 302 or 307 or 308 ? answer.Headers.Location : null;
            answer.Dispose();
            if (target is null || redirects == MaxRedirects)
                throw new GitHubUnavailableException($"{account.Host} answered with status {status}.");

            request.RequestUri = new(request.RequestUri!, target);
        }
    }

    bool IsApi(Uri address) =>
        Uri.Compare(
            address,
            account.ApiBaseAddress,
            UriComponents.SchemeAndServer,
            UriFormat.Unescaped,
            StringComparison.OrdinalIgnoreCase
        ) == 0;
}

/// <summary>GitHub points to another place, which has got no token and was not asked.</summary>
sealed class RedirectedElsewhereException(string host, Uri target)
    : GitHubUnavailableException($"{host} points to another host, which gets no token.")
{
    public Uri Target => target;
}
