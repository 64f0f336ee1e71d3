using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Json;
using Octokit;

namespace Wake.Producers.GitHub;

/// <summary>What a GitHub App proves with who it is: a word signed with its key, for each request anew.</summary>
sealed class AppCredentials(string appId, string privateKey, TimeProvider time) : ICredentialStore
{
    TimeSpan clockSkew;

    public Task<Credentials> GetCredentials() => Task.FromResult(Bearer(Jwt()));

    /// <summary>Takes over how far the clock here is behind GitHub's. It refuses what is signed in its
    /// future.</summary>
    public void CorrectClock(DateTimeOffset? there) =>
        clockSkew =
            there - time.GetUtcNow() is { } skew && skew.Duration() > TimeSpan.FromSeconds(30) ? skew : TimeSpan.Zero;

    public static Credentials Bearer(string token) => new(token, AuthenticationType.Bearer);

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

    string Jwt()
    {
        // Back by a minute for clocks that differ; GitHub allows ten minutes at most.
        var now = (time.GetUtcNow() + clockSkew).ToUnixTimeSeconds();
        var claims = JsonSerializer.SerializeToUtf8Bytes(
            new Dictionary<string, object>
            {
                ["iat"] = now - 60,
                ["exp"] = now + 540,
                ["iss"] = appId,
            }
        );
        var unsigned =
            $"{Base64Url.EncodeToString("""{"alg":"RS256","typ":"JWT"}"""u8)}.{Base64Url.EncodeToString(claims)}";

        using var key = ParsePrivateKey(privateKey);
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

/// <summary>The token of one installation of an App, which lives for an hour.</summary>
sealed class InstallationCredentials(Func<Task<AccessToken>> create, TimeProvider time) : ICredentialStore
{
    // A request on its way must not outlive its token.
    static readonly TimeSpan RenewBefore = TimeSpan.FromMinutes(5);

    readonly SharedRequest<AccessToken> token = new(create, x => x.ExpiresAt - RenewBefore > time.GetUtcNow());

    public async Task<Credentials> GetCredentials() => AppCredentials.Bearer((await token.Get()).Token);

    /// <summary>Drops a token that GitHub has refused.</summary>
    public void Renew() => token.Drop();
}

/// <summary>One request for all who ask at the same time, and its answer for as long as that is good. One that has
/// failed is made again.</summary>
sealed class SharedRequest<T>(Func<Task<T>> send, Func<T, bool> isGood)
    where T : class
{
    readonly Lock gate = new();
    Task<T>? last;

    /// <summary>The last answer, good or not; null before the first.</summary>
    public T? Known => last is { IsCompletedSuccessfully: true } answered ? answered.Result : null;

    public Task<T> Get()
    {
        lock (gate)
        {
            if (last is null or { IsFaulted: true } or { IsCanceled: true } || (Known is { } known && !isGood(known)))
                last = send();
            return last;
        }
    }

    public void Drop()
    {
        lock (gate)
            last = null;
    }
}
