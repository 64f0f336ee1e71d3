using System.Text.Json;
using Microsoft.Extensions.Http.Resilience;
using Octokit;
using Octokit.Internal;
using Polly;

namespace Wake.Producers.GitHub;

/// <summary>
/// Octokit's connection to one host, as an account or as one installation of an App: what GitHub counts by itself. What
/// Octokit leaves open is done by handlers below it, the outermost first: limits, repetitions and their time limits,
/// the whole of an answer, redirects, ETags.
/// </summary>
sealed class GitHubConnection : IDisposable
{
    const int MaxRetries = 3;

    readonly RateLimitHandler limits;
    readonly HttpClientAdapter http;

    public GitHubConnection(
        GitHubAccount account,
        GitHubOptions options,
        ICredentialStore credentials,
        RateLimitHandler limits,
        HttpMessageHandler network,
        TimeProvider time
    )
    {
        this.limits = limits;
        limits.InnerHandler = new ResilienceHandler(Repetitions(options, time))
        {
            InnerHandler = new WholeAnswerHandler
            {
                InnerHandler = new SameOriginHandler(account)
                {
                    InnerHandler = new ConditionalHandler(options.ApiVersion) { InnerHandler = network },
                },
            },
        };
        http = new(() => limits);

        // Each attempt has a limit of its own.
        http.SetRequestTimeout(Timeout.InfiniteTimeSpan);
        Api = new ApiConnection(
            new Connection(new ProductHeaderValue("wake"), account.ApiBaseAddress, credentials, http, new GitHubJson())
        );
    }

    public IApiConnection Api { get; }

    /// <summary>What is left of the hour's requests; null before the first answer, or without limits.</summary>
    public GitHubRateLimit? RateLimit => limits.RateLimit;

    public void Dispose() => http.Dispose();

    static ResiliencePipeline<HttpResponseMessage> Repetitions(GitHubOptions options, TimeProvider time)
    {
        var retry = new HttpRetryStrategyOptions
        {
            MaxRetryAttempts = MaxRetries,

            // A limit is kept to, not tried again.
            ShouldHandle = failed =>
                ValueTask.FromResult(
                    failed.Outcome.Result?.StatusCode is not System.Net.HttpStatusCode.TooManyRequests
                        && HttpClientResiliencePredicates.IsTransient(failed.Outcome)
                ),

            // So that many that were cut off at the same moment do not all come back at the same moment.
            DelayGenerator = failed =>
                ValueTask.FromResult<TimeSpan?>(
                    options.RetryAfter * Math.Pow(failed.AttemptNumber + 1, 2) * (1 + Random.Shared.NextDouble() / 4)
                ),
        };
        retry.DisableForUnsafeHttpMethods();
        return new ResiliencePipelineBuilder<HttpResponseMessage> { TimeProvider = time }
            .AddRetry(retry)
            .AddTimeout(options.RequestTimeout)
            .Build();
    }

    /// <summary>JSON stays JSON, since deliveries are read by the same code. Octokit's own types are read by
    /// Octokit.</summary>
    sealed class GitHubJson : IJsonSerializer
    {
        readonly SimpleJsonSerializer typed = new();

        public string Serialize(object item) => typed.Serialize(item);

        public T Deserialize<T>(string json)
        {
            if (typeof(T) == typeof(JsonElement))
                return (T)(object)JsonElement.Parse(json, new() { MaxDepth = 64 });

            try
            {
                return typed.Deserialize<T>(json);
            }
            catch (Exception odd) when (odd is not OutOfMemoryException)
            {
                // It throws whatever it happens to meet in what it did not expect.
                throw new JsonException($"the answer is no {typeof(T).Name}", odd);
            }
        }
    }
}
