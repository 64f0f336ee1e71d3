using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>
/// What an account proves itself with. A personal token is one; an App signs who it is and gets a token for an hour,
/// per place where it is installed.
/// </summary>
/// <param name="account">The account.</param>
/// <param name="ask">Sends a request of the App itself, and gives the answer's body.</param>
/// <param name="time">The clock.</param>
sealed class GitHubTokens(GitHubAccount account, GitHubTokens.AppRequest ask, TimeProvider time) : IDisposable
{
    /// <summary>One request of the App itself, with its own signed word.</summary>
    public delegate Task<JsonElement> AppRequest(HttpMethod method, string path, CancellationToken cancel);

    // A request on its way must not outlive its token.
    static readonly TimeSpan RenewBefore = TimeSpan.FromMinutes(5);

    readonly ConcurrentDictionary<string, (string Token, DateTimeOffset Expires)> tokens = new();
    readonly ConcurrentDictionary<string, long> installations = new();
    readonly SemaphoreSlim renewing = new(1);

    /// <summary>Whether another one can be had when one is refused.</summary>
    public bool Renewable => account.AppId is not null;

    /// <summary>How far the clock here is behind GitHub's. It refuses what is signed in its future.</summary>
    public TimeSpan ClockSkew { get; set; }

    /// <summary>The token for a repository (<c>octo-org/hello</c>); null to speak as the account itself.</summary>
    public async ValueTask<string> GetToken(string? repository, CancellationToken cancel)
    {
        if (account.AppId is null)
            return account.Token!;

        if (repository is null)
            return Jwt();

        if (Cached(repository) is { } cached)
            return cached;

        await renewing.WaitAsync(cancel);
        try
        {
            if (Cached(repository) is { } renewed)
                return renewed;

            if (!installations.TryGetValue(repository, out var installation))
            {
                installation =
                    (await ask(HttpMethod.Get, $"repos/{repository}/installation", cancel)).Number("id")
                    ?? throw new GitHubUnavailableException("The App is not installed there.");
                installations[repository] = installation;
            }

            var given = await ask(HttpMethod.Post, $"app/installations/{installation}/access_tokens", cancel);
            var token = given.Text("token") ?? throw new GitHubUnavailableException("GitHub gave the App no token.");
            tokens[RateLimitKey(repository)!] = (
                token,
                given.Time("expires_at") ?? time.GetUtcNow() + TimeSpan.FromHours(1)
            );
            return token;
        }
        finally
        {
            renewing.Release();
        }
    }

    /// <summary>Forgets the token of a repository, which GitHub has refused.</summary>
    public void Invalidate(string repository)
    {
        if (RateLimitKey(repository) is { } place)
            tokens.TryRemove(place, out _);
        installations.TryRemove(repository, out _);
    }

    /// <summary>
    /// Whose requests are counted together with those for this repository: the account's, or those of the installation;
    /// null while nobody knows where that is.
    /// </summary>
    public string? RateLimitKey(string? repository) =>
        account.AppId is null || repository is null ? ""
        : installations.TryGetValue(repository, out var id) ? GitHubObservation.FormatNumber(id)
        : null;

    public void Dispose() => renewing.Dispose();

    /// <summary>Whether this is a key an App can sign with.</summary>
    public static bool IsPrivateKey(string pem)
    {
        try
        {
            using var key = ParsePrivateKey(pem);
            return true;
        }
        catch (Exception wrong) when (wrong is ArgumentException or CryptographicException)
        {
            return false;
        }
    }

    string? Cached(string repository) =>
        RateLimitKey(repository) is { } place
        && tokens.TryGetValue(place, out var known)
        && known.Expires - RenewBefore > time.GetUtcNow()
            ? known.Token
            : null;

    string Jwt()
    {
        // Back by a minute for clocks that differ; GitHub allows ten minutes at most.
        var now = (time.GetUtcNow() + ClockSkew).ToUnixTimeSeconds();
        var claims = JsonSerializer.SerializeToUtf8Bytes(
            new Dictionary<string, object>
            {
                ["iat"] = now - 60,
                ["exp"] = now + 540,
                ["iss"] = account.AppId!,
            }
        );
        var unsigned =
            $"{Base64Url.EncodeToString("""{"alg":"RS256","typ":"JWT"}"""u8)}.{Base64Url.EncodeToString(claims)}";

        using var key = ParsePrivateKey(account.PrivateKey!);
        var signature = key.SignData(
            System.Text.Encoding.ASCII.GetBytes(unsigned),
            HashAlgorithmName.SHA256,
            RSASignaturePadding.Pkcs1
        );
        return $"{unsigned}.{Base64Url.EncodeToString(signature)}";
    }

    static RSA ParsePrivateKey(string pem)
    {
        var key = RSA.Create();
        key.ImportFromPem(pem.Replace("\\n", "\n", StringComparison.Ordinal));
        return key;
    }
}
