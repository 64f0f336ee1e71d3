namespace Wake.Producers.GitHub;

/// <summary>
/// Says with each request which version of the API is meant, and, where something is known already, its ETag. It stores
/// none: an ETag is kept by whoever asks, once what it stands for has been handed over.
/// </summary>
sealed class ConditionalHandler(string apiVersion) : DelegatingHandler
{
    public static readonly string UserAgent =
        $"wake/{typeof(ConditionalHandler).Assembly.GetName().Version!.ToString(2)}";

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancel)
    {
        // The same request comes again after a redirect, or a failure.
        if (!request.Headers.Contains("X-GitHub-Api-Version"))
        {
            request.Headers.TryAddWithoutValidation("X-GitHub-Api-Version", apiVersion);
            if (GitHubCall.Current?.ETag is { } etag)
                request.Headers.TryAddWithoutValidation("If-None-Match", etag);

            // Octokit's own tells the system, the processor and the language as well.
            request.Headers.UserAgent.Clear();
            request.Headers.UserAgent.ParseAdd(UserAgent);
        }

        return base.SendAsync(request, cancel);
    }
}
