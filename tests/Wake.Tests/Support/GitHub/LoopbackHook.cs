using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Wake.Tests.Support;

/// <summary>A webhook as GitHub keeps one: it delivers once, remembers how that went, and delivers again only when it
/// is asked to.</summary>
public sealed class LoopbackHook(string secret)
{
    static readonly HttpClient Http = new();

    readonly List<(JsonObject Entry, string Name, byte[] Body)> deliveries = [];

    /// <summary>Where it delivers to; null while nobody can be reached there.</summary>
    public Uri? To { get; set; }

    /// <summary>The attempts as the API lists them, the newest first.</summary>
    public JsonNode[] Deliveries
    {
        get
        {
            lock (deliveries)
                return [.. deliveries.Select(x => x.Entry.DeepClone()).Reverse()];
        }
    }

    /// <summary>Delivers an event; false when that has failed.</summary>
    public Task<bool> Deliver(string name, JsonNode payload) =>
        Deliver(Guid.NewGuid().ToString(), name, JsonSerializer.SerializeToUtf8Bytes(payload), again: false);

    /// <summary>Delivers the same again, under the same id and with the same signature.</summary>
    public Task<bool> Redeliver(long id)
    {
        (JsonObject Entry, string Name, byte[] Body) first;
        lock (deliveries)
            first = deliveries.Single(x => (long)x.Entry["id"]! == id);
        return Deliver((string)first.Entry["guid"]!, first.Name, first.Body, again: true);
    }

    async Task<bool> Deliver(string id, string name, byte[] body, bool again)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, To is null ? null : new Uri(To, "/github"))
        {
            Content = new ByteArrayContent(body),
        };
        request.Content.Headers.ContentType = new("application/json");
        request.Headers.Add("X-GitHub-Event", name);
        request.Headers.Add("X-GitHub-Delivery", id);
        request.Headers.Add(
            "X-Hub-Signature-256",
            $"sha256={Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), body))}"
        );

        var (status, code) = ("failed to connect to host", 0);
        if (To is not null)
        {
            try
            {
                using var answer = await Http.SendAsync(request);
                (status, code) = (
                    answer.IsSuccessStatusCode ? "OK" : $"Invalid HTTP Response: {(int)answer.StatusCode}",
                    (int)answer.StatusCode
                );
            }
            catch (HttpRequestException)
            {
                // Nobody is there, which GitHub records like this and forgets.
            }
        }

        lock (deliveries)
        {
            deliveries.Add(
                (
                    new()
                    {
                        ["id"] = (long)(deliveries.Count + 1),
                        ["guid"] = id,
                        ["redelivery"] = again,
                        ["status"] = status,
                        ["status_code"] = code,
                        ["event"] = name,
                        ["delivered_at"] = DateTimeOffset.UtcNow.ToString(
                            "yyyy-MM-dd'T'HH:mm:ss'Z'",
                            CultureInfo.InvariantCulture
                        ),
                    },
                    name,
                    body
                )
            );
        }

        return code is >= 200 and < 300;
    }
}
