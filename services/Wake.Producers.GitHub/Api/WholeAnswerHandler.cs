using System.Net.Http.Headers;

namespace Wake.Producers.GitHub;

/// <summary>
/// Reads an answer to its end, within the time limit of the attempt and up to a size: Octokit reads it later, with
/// neither. A page for people is no answer, and Octokit would take it for an empty one.
/// </summary>
sealed class WholeAnswerHandler : DelegatingHandler
{
    // A page of a hundred pull requests has about two.
    const long MaxBytes = 32 * 1024 * 1024;

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancel)
    {
        var answer = await base.SendAsync(request, cancel);
        try
        {
            await answer.Content.LoadIntoBufferAsync(MaxBytes, cancel);
            if (request.Method == HttpMethod.Get && answer.IsSuccessStatusCode && !IsJson(answer))
                throw new HttpRequestException("the answer is no JSON");
        }
        catch
        {
            answer.Dispose();
            throw;
        }

        if (GitHubCall.Current is { } call)
            (call.Address, call.Next, call.Date) = (request.RequestUri, NextPage(answer.Headers), answer.Headers.Date);

        // Octokit stops reading it at the first relation that it does not know, and throws at an address that is none.
        answer.Headers.Remove("Link");
        return answer;
    }

    // Gateways answer with pages for people.
    static bool IsJson(HttpResponseMessage answer) =>
        answer.Content.Headers.ContentType?.MediaType?.EndsWith("json", StringComparison.OrdinalIgnoreCase) is true;

    static Uri? NextPage(HttpResponseHeaders headers)
    {
        if (!headers.TryGetValues("Link", out var links))
            return null;

        foreach (var link in links.SelectMany(x => x.Split(',')))
        {
            if (
                link.Contains("rel=\"next\"", StringComparison.Ordinal)
                && link.IndexOf('<') is >= 0 and var open
                && link.IndexOf('>') is var close
                && close > open
                && Uri.TryCreate(link[(open + 1)..close], UriKind.Absolute, out var next)
            )
                return next;
        }

        return null;
    }
}
