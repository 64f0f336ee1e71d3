using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace Wake.Tests.Support;

/// <summary>
/// An OpenID Connect provider on loopback: discovery, keys, the code flow with PKCE. Whoever comes is let on at once as
/// the account that is told to it, and on order its answers are wrong.
/// </summary>
sealed class LoopbackOpenIdProvider : IAsyncDisposable
{
    public const string ClientId = "wake-console",
        ClientSecret = "the console's own secret",
        AccessToken = "of an account";

    readonly WebApplication app;
    readonly RSA key = RSA.Create(2048);
    readonly ConcurrentDictionary<string, IQueryCollection> codes = new();

    LoopbackOpenIdProvider(WebApplication app) => this.app = app;

    public Uri Url => new(app.Urls.First());

    /// <summary>The claims of whoever comes next.</summary>
    public Dictionary<string, object> Account { get; set; } = [];

    /// <summary>What is put in place of its own claims: <c>iss</c>, <c>nonce</c>, <c>exp</c>.</summary>
    public Dictionary<string, object> Forged { get; set; } = [];

    /// <summary>Whether it tells of an account only who asks for it with the access token.</summary>
    public bool HasThinTokens { get; set; }

    /// <summary>Whether whoever comes refuses to be known here.</summary>
    public bool Denies { get; set; }

    /// <summary>Whether it answers at all.</summary>
    public bool IsAway { get; set; }

    public IReadOnlyDictionary<string, string> Settings =>
        new Dictionary<string, string>
        {
            ["Console__OpenIdConnect__Authority"] = Url.AbsoluteUri,
            ["Console__OpenIdConnect__ClientId"] = ClientId,
            ["Console__OpenIdConnect__ClientSecret"] = ClientSecret,
        };

    public static async Task<LoopbackOpenIdProvider> Start()
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(x => x.Listen(IPAddress.Loopback, 0));
        var provider = new LoopbackOpenIdProvider(builder.Build());
        provider.app.Run(provider.Answer);
        await provider.app.StartAsync();
        return provider;
    }

    /// <summary>A code as it is given to somebody else, who has begun their log-in elsewhere.</summary>
    public string CreateCode(IQueryCollection asked)
    {
        var code = Convert.ToHexString(RandomNumberGenerator.GetBytes(16));
        codes[code] = asked;
        return code;
    }

    public async ValueTask DisposeAsync()
    {
        await app.DisposeAsync();
        key.Dispose();
    }

    async Task Answer(HttpContext http)
    {
        if (IsAway)
        {
            http.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            return;
        }

        var root = Url.AbsoluteUri.TrimEnd('/');
        switch (http.Request.Path.Value)
        {
            case "/.well-known/openid-configuration":
                await http.Response.WriteAsJsonAsync(
                    new
                    {
                        issuer = root,
                        authorization_endpoint = $"{root}/authorize",
                        token_endpoint = $"{root}/token",
                        userinfo_endpoint = $"{root}/userinfo",
                        jwks_uri = $"{root}/keys",
                    }
                );
                break;
            case "/keys":
                var parameters = key.ExportParameters(includePrivateParameters: false);
                await http.Response.WriteAsJsonAsync(
                    new
                    {
                        keys = new[]
                        {
                            new
                            {
                                kty = "RSA",
                                use = "sig",
                                kid = "1",
                                alg = "RS256",
                                n = Encode(parameters.Modulus!),
                                e = Encode(parameters.Exponent!),
                            },
                        },
                    }
                );
                break;
            case "/authorize":
                Authorize(http);
                break;
            case "/token":
                await Redeem(http, root);
                break;
            case "/userinfo" when http.Request.Headers.Authorization == $"Bearer {AccessToken}":
                await http.Response.WriteAsJsonAsync(
                    new Dictionary<string, object>([.. Account.ExceptBy(Forged.Keys, x => x.Key), .. Forged])
                );
                break;
            default:
                http.Response.StatusCode = StatusCodes.Status404NotFound;
                break;
        }
    }

    void Authorize(HttpContext http)
    {
        var asked = http.Request.Query;
        var answer = Denies
            ? QueryString.Create("error", "access_denied")
            : QueryString.Create("code", CreateCode(asked));
        http.Response.Redirect($"{asked["redirect_uri"]}{answer.Add("state", $"{asked["state"]}")}");
    }

    // Each code once, for whoever began with what its challenge is made of.
    async Task Redeem(HttpContext http, string root)
    {
        var form = await http.Request.ReadFormAsync();
        if (
            !codes.TryRemove($"{form["code"]}", out var asked)
            || form["client_id"] != ClientId
            || form["client_secret"] != ClientSecret
            || form["redirect_uri"] != asked["redirect_uri"]
            || Encode(SHA256.HashData(Encoding.ASCII.GetBytes($"{form["code_verifier"]}"))) != asked["code_challenge"]
        )
        {
            http.Response.StatusCode = StatusCodes.Status400BadRequest;
            await http.Response.WriteAsJsonAsync(new { error = "invalid_grant" });
            return;
        }

        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        var claims = new Dictionary<string, object>
        {
            ["iss"] = root,
            ["aud"] = ClientId,
            ["iat"] = now,
            ["exp"] = now + 300,
            ["nonce"] = $"{asked["nonce"]}",
        };
        foreach (var (name, value) in Account.Where(x => !HasThinTokens || x.Key == "sub").Concat(Forged))
            claims[name] = value;
        await http.Response.WriteAsJsonAsync(
            new
            {
                access_token = AccessToken,
                token_type = "Bearer",
                id_token = Sign(claims),
            }
        );
    }

    string Sign(Dictionary<string, object> claims)
    {
        var signed =
            Encode("""{"alg":"RS256","kid":"1","typ":"JWT"}"""u8.ToArray())
            + "."
            + Encode(JsonSerializer.SerializeToUtf8Bytes(claims));
        return signed
            + "."
            + Encode(
                key.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            );
    }

    static string Encode(byte[] bytes) => System.Buffers.Text.Base64Url.EncodeToString(bytes);
}
