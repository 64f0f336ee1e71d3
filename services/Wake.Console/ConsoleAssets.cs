using System.Collections.Concurrent;
using System.IO.Compression;
using System.Reflection;
using System.Security.Cryptography;

namespace Wake.WebConsole;

/// <summary>The scripts and styles, from the assembly. Each is compressed once, and a browser keeps it until its
/// address changes.</summary>
sealed class ConsoleAssets(RequestDelegate next)
{
    /// <summary>The first segment of their paths.</summary>
    public const string Folder = "assets";

    static readonly Assembly Assembly = typeof(ConsoleAssets).Assembly;
    static readonly ConcurrentDictionary<string, Asset?> Known = [];

    /// <summary>The address of an asset, relative to the console's root.</summary>
    public static string Url(string name) =>
        Find(name) is { } asset
            ? $"{Folder}/{name}?v={asset.Version}"
            : throw new InvalidOperationException($"There is no asset {name}.");

    public Task Invoke(HttpContext http)
    {
        if (
            !http.Request.Path.StartsWithSegments($"/{Folder}", out var name) || !HttpMethods.IsGet(http.Request.Method)
        )
            return next(http);

        if (Find(name.Value?.TrimStart('/') ?? "") is not { } asset)
        {
            http.Response.StatusCode = StatusCodes.Status404NotFound;
            return Task.CompletedTask;
        }

        var headers = http.Response.Headers;
        headers.CacheControl =
            http.Request.Query["v"] == asset.Version ? "public, max-age=31536000, immutable" : "no-cache";
        headers.ContentType = asset.ContentType;
        headers.Vary = "Accept-Encoding";
        var compressed = http.Request.Headers.AcceptEncoding.ToString().Contains("br", StringComparison.Ordinal);
        if (compressed)
            headers.ContentEncoding = "br";
        var body = compressed ? asset.Brotli.Value : asset.Raw;
        http.Response.ContentLength = body.Length;
        return http.Response.Body.WriteAsync(body, 0, body.Length, http.RequestAborted);
    }

    // The names are those of the assembly, so strangers can make it hold nothing else.
    static Asset? Find(string name) =>
        Assembly.GetManifestResourceInfo($"{Folder}/{name}") is null ? null : Known.GetOrAdd(name, Load);

    static Asset? Load(string name)
    {
        using var stream = Assembly.GetManifestResourceStream($"{Folder}/{name}")!;
        var raw = new byte[stream.Length];
        stream.ReadExactly(raw);
        return new(
            raw,
            Convert.ToHexStringLower(SHA256.HashData(raw))[..12],
            Path.GetExtension(name) switch
            {
                ".js" => "text/javascript; charset=utf-8",
                ".css" => "text/css; charset=utf-8",
                ".svg" => "image/svg+xml",
                _ => "application/octet-stream",
            },
            new(() => Compress(raw))
        );
    }

    static byte[] Compress(byte[] raw)
    {
        using var compressed = new MemoryStream();
        using (var brotli = new BrotliStream(compressed, CompressionLevel.Optimal))
            brotli.Write(raw);
        return compressed.ToArray();
    }

    sealed record Asset(byte[] Raw, string Version, string ContentType, Lazy<byte[]> Brotli);
}
