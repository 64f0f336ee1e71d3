using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>Thousands of requests that mean harm: the door keeps serving those that do not, and its memory has a
/// bound.</summary>
[Trait("Starts", "processes")]
public sealed class HttpLoad
{
    const int Requests = 10_000;
    const long Mebibyte = 1024 * 1024;
    const string Executed = "/tmp/wake-executed-at-the-door";

    static readonly Payload Genuine = Payload.Of("webhooks/pull_request.closed.merged.json");

    // Nothing, cut off, no text, too deep, no JSON, and what a shell would act on.
    static readonly byte[][] Bodies =
    [
        [],
        Genuine.Bytes[..^10],
        [0xFF, 0xFE, 0xC3],
        Encoding.UTF8.GetBytes(new string('[', 100_000)),
        new byte[300_000],
        Encoding.UTF8.GetBytes($"payload={new string('%', 50_000)}"),
        Encoding.UTF8.GetBytes($"$(touch {Executed}) `touch {Executed}`; touch {Executed}"),
    ];

    static readonly string[] Doors =
    [
        "/github",
        "/hooks/lab",
        "/hooks/nobody",
        "/v1/events",
        "/v1/sessions",
        "/v1/sessions/nobody/wake",
    ];

    [Fact]
    public async Task Good_requests_are_served_among_thousands_of_bad_ones()
    {
        await using var system = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>
            {
                ["GitHub__WebhookSecrets__0"] = Payload.Secret,
                ["Webhooks__Hooks__lab__Sender"] = "GitLab",
                ["Webhooks__Hooks__lab__Secrets__0"] = "token",
                // What is kept of each request would not fit.
                ["DOTNET_GCHeapHardLimit"] = "0x20000000",
            }
        );
        var process = Assert.Single(system.Processes);
        var slow = await Task.WhenAll(
            Doors.SelectMany(door => Enumerable.Repeat(door, 20)).Select(door => Slow(process.Url, door))
        );

        await Send(system, 0, Requests / 2);
        var half = process.WorkingSet;
        await Send(system, Requests / 2, Requests);

        Assert.InRange(process.WorkingSet, 0, 700 * Mebibyte);
        // Half of what they sent meanwhile; the collector is in no hurry.
        Assert.InRange(process.WorkingSet - half, long.MinValue, 170 * Mebibyte);
        Assert.Equal(2, await system.Scalar<long>("select count(*) from events"));
        Assert.Equal(0, await system.Scalar<long>("select count(*) from sessions"));
        Assert.False(File.Exists(Executed));
        Assert.DoesNotContain("Exception", process.Log);
        foreach (var client in slow)
            client.Dispose();
    }

    static Task Send(WakeSystem system, int from, int to) =>
        Parallel.ForAsync(
            from,
            to,
            new ParallelOptions { MaxDegreeOfParallelism = 16 },
            async (i, cancel) =>
            {
                if (i % 100 == 0)
                {
                    using var taken = await system.Http.SendAsync(
                        Request("/github", Genuine.Bytes, Genuine.Headers()),
                        cancel
                    );
                    Assert.Equal(HttpStatusCode.Accepted, taken.StatusCode);
                }
                else if (i % 100 == 50)
                {
                    using var taken = await system.Http.SendAsync(
                        Request(
                            "/v1/events",
                            """{"id":"good","source":"s","type":"t","subject":"s","reason":"r"}"""u8.ToArray(),
                            new() { ["Content-Type"] = "application/json" }
                        ),
                        cancel
                    );
                    Assert.Equal(HttpStatusCode.Accepted, taken.StatusCode);
                }
                else if (i % 1000 == 7)
                {
                    await Huge(system, Doors[i / 1000 % Doors.Length], chunked: i % 2000 == 7, cancel);
                }
                else
                {
                    await Refused(system, Bad(i), cancel);
                }
            }
        );

    // Whoever is refused while it still sends much may find the line cut before it has read why.
    static async Task Refused(WakeSystem system, HttpRequestMessage request, CancellationToken cancel)
    {
        using var _ = request;
        var length = request.Content!.Headers.ContentLength;
        try
        {
            using var refused = await system.Http.SendAsync(request, cancel);
            Assert.True(
                (int)refused.StatusCode is >= 400 and <= 499,
                $"{request.RequestUri} {length} {refused.StatusCode}: {await refused.Content.ReadAsStringAsync(cancel)}"
            );
        }
        catch (HttpRequestException) when (length is null or > 64 * 1024) { }
    }

    static HttpRequestMessage Bad(int i)
    {
        var (door, body, headers) = (
            Doors[i % Doors.Length],
            Bodies[i / Doors.Length % Bodies.Length],
            Genuine.Headers()
        );
        if (i % 7 == 0)
            headers["X-Hub-Signature-256"] =
                $"sha256={Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(Payload.Secret), body))}";
        else if (i % 3 == 0)
            headers.Remove("X-Hub-Signature-256");
        if (i % 5 == 0)
            headers["Content-Type"] = "application/x-www-form-urlencoded";
        if (i % 11 == 0)
            headers["X-Gitlab-Token"] = "token";
        if (i % 13 == 0)
            headers["Idempotency-Key"] = $"key {i}";

        return Request(door, body, headers);
    }

    // 100 MB, announced or not.
    static Task Huge(WakeSystem system, string door, bool chunked, CancellationToken cancel)
    {
        var request = Request(door, [], []);
        request.Content = new StreamContent(new Zeros(100 * Mebibyte));
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        request.Headers.TransferEncodingChunked = chunked;
        return Refused(system, request, cancel);
    }

    static HttpRequestMessage Request(string door, byte[] body, Dictionary<string, string> headers)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, door) { Content = new ByteArrayContent(body) };
        foreach (var (name, value) in headers)
        {
            if (!request.Headers.TryAddWithoutValidation(name, value))
                request.Content.Headers.TryAddWithoutValidation(name, value);
        }

        return request;
    }

    // Promises much and sends a byte.
    static async Task<TcpClient> Slow(Uri address, string door)
    {
        var client = new TcpClient();
        await client.ConnectAsync(address.Host, address.Port);
        await client
            .GetStream()
            .WriteAsync(
                Encoding.ASCII.GetBytes(
                    $"POST {door} HTTP/1.1\r\nHost: {address.Authority}\r\nContent-Type: "
                        + "application/json\r\nContent-Length: 60000\r\n\r\n{"
                )
            );
        return client;
    }

    /// <summary>So many zeros, none of them kept.</summary>
    sealed class Zeros(long length) : Stream
    {
        long read;

        public override bool CanRead => true;

        public override bool CanSeek => true;

        public override bool CanWrite => false;

        public override long Length => length;

        public override long Position
        {
            get => read;
            set => read = value;
        }

        public override int Read(byte[] buffer, int offset, int count)
        {
            count = (int)Math.Min(count, length - read);
            Array.Clear(buffer, offset, count);
            read += count;
            return count;
        }

        public override void Flush() { }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
