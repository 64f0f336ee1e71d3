using System.Net;
using System.Net.Sockets;
using System.Text;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>Thousands of deliveries that mean harm: the door keeps serving those that do not, and its memory has a bound.</summary>
public sealed class HoldingTheDoor
{
    [Fact]
    public async Task Good_deliveries_are_taken_among_thousands_of_bad_ones()
    {
        await using var system = await WakeSystem.Start(Transport.InMemory, new Dictionary<string, string> { ["GitHub__WebhookSecrets__0"] = Payload.Secret });
        var process = Assert.Single(system.Processes);
        var genuine = Payload.Of("webhooks/pull_request.closed.merged.json");
        var slow = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Slow(process.Url)));
        byte[][] bodies =
        [
            [], genuine.Bytes[..^1], [0xFF, 0xFE, 0xC3], Encoding.UTF8.GetBytes(new string('[', 100_000)), new byte[300_000],
            Encoding.UTF8.GetBytes($"payload={new string('%', 50_000)}"),
        ];
        var before = process.WorkingSet;

        await Parallel.ForAsync(0, 3000, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (i, cancel) =>
        {
            if (i % 100 == 0)
            {
                using var answer = await system.Http.SendAsync(Request(genuine.Bytes, genuine.Headers()), cancel);
                Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
                return;
            }

            var headers = genuine.Headers();
            if (i % 3 == 0)
                headers.Remove("X-Hub-Signature-256");
            if (i % 2 == 0)
                headers["Content-Type"] = "application/x-www-form-urlencoded";
            using var refused = await system.Http.SendAsync(Request(bodies[i % bodies.Length], headers), cancel);
            Assert.InRange((int)refused.StatusCode, 400, 499);
        });

        Assert.Equal(1, await system.Scalar<long>("select count(*) from events"));
        Assert.InRange(process.WorkingSet - before, long.MinValue, 400L * 1024 * 1024);
        foreach (var client in slow)
            client.Dispose();
    }

    static HttpRequestMessage Request(byte[] body, Dictionary<string, string> headers)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/github") { Content = new ByteArrayContent(body) };
        foreach (var (name, value) in headers)
        {
            if (!request.Headers.TryAddWithoutValidation(name, value))
                request.Content.Headers.TryAddWithoutValidation(name, value);
        }

        return request;
    }

    // Promises 25 MB and sends a byte.
    static async Task<TcpClient> Slow(Uri door)
    {
        var client = new TcpClient();
        await client.ConnectAsync(door.Host, door.Port);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"POST /github HTTP/1.1\r\nHost: {door.Authority}\r\nContent-Length: 26000000\r\n\r\n{{"));
        return client;
    }
}
