using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.Extensions.Configuration;

namespace Wake.Cli;

/// <summary>What the console asks of others: the API, and the provider at which people log in.</summary>
static class ConsoleChecks
{
    const int MaxAnswerBytes = 1024 * 1024;

    /// <summary>Nothing for what is not set.</summary>
    public static async IAsyncEnumerable<CheckResult> RunAll(
        IConfiguration settings,
        [EnumeratorCancellation] CancellationToken cancel
    )
    {
        if (Address(settings["Console:GatewayUrl"]) is { } gateway)
            yield return await CheckGateway(gateway, cancel);
        if (Address(settings["Console:OpenIdConnect:Authority"]) is { } authority)
            yield return await CheckProvider(authority, cancel);
    }

    static async Task<CheckResult> CheckGateway(Uri url, CancellationToken cancel)
    {
        var problem = await Ask(
            $"{url.AbsoluteUri.TrimEnd('/')}/health/live",
            answer => Task.FromResult(answer.IsSuccessStatusCode ? null : $"answers {(int)answer.StatusCode}"),
            cancel
        );
        return problem is null
            ? new("console", true, $"finds the API at {url}", null)
            : new("console", false, $"finds no API at {url}: it {problem}", "Check Console__GatewayUrl.");
    }

    static async Task<CheckResult> CheckProvider(Uri authority, CancellationToken cancel)
    {
        var problem = await Ask(
            $"{authority.AbsoluteUri.TrimEnd('/')}/.well-known/openid-configuration",
            async answer =>
            {
                if (!answer.IsSuccessStatusCode)
                    return $"answers {(int)answer.StatusCode} to its discovery";

                using var document = JsonDocument.Parse(await answer.Content.ReadAsByteArrayAsync(cancel));
                return
                    document.RootElement is { ValueKind: JsonValueKind.Object } known
                    && known.TryGetProperty("issuer", out _)
                    && known.TryGetProperty("token_endpoint", out _)
                    ? null
                    : "has no discovery of OpenID Connect";
            },
            cancel
        );
        return problem is null
            ? new("log-in", true, $"at {authority}", null)
            : new(
                "log-in",
                false,
                $"{authority} {problem}",
                "Check Console__OpenIdConnect__Authority: below it is /.well-known/openid-configuration."
            );
    }

    static async Task<string?> Ask(string url, Func<HttpResponseMessage, Task<string?>> judge, CancellationToken cancel)
    {
        using var http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false })
        {
            Timeout = DoctorChecks.CheckTimeout,
            MaxResponseContentBufferSize = MaxAnswerBytes,
        };
        try
        {
            using var answer = await http.GetAsync(new Uri(url), cancel);
            return await judge(answer);
        }
        catch (Exception away)
            when (away is HttpRequestException or JsonException
                || away is TaskCanceledException && !cancel.IsCancellationRequested
            )
        {
            return away is JsonException ? "has no discovery of OpenID Connect"
                : away is TaskCanceledException ? "does not answer in time"
                : $"does not answer: {away.GetBaseException().Message}";
        }
    }

    // One that is none is said by the check of the settings.
    static Uri? Address(string? text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is ("http" or "https") ? url : null;
}
