using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>The OpenAPI document, against what the door really answers.</summary>
[Trait("Starts", "processes")]
public sealed class DescribingTheDoor(StandaloneSystem shared) : IClassFixture<StandaloneSystem>
{
    readonly WakeSystem wake = shared.System;

    [Fact]
    public async Task Every_operation_names_its_scope_and_its_statuses_and_shows_what_to_send()
    {
        foreach (var (name, operation) in await Operations())
        {
            Assert.True(operation.TryGetProperty("summary", out _), name);
            Assert.Single(operation.GetProperty("security")[0].GetProperty("key").EnumerateArray());

            string[] expected = operation.TryGetProperty("requestBody", out var body)
                ? ["400", "401", "403", "408", "413", "415", "429", "500", "503"]
                : ["400", "401", "403", "429", "500", "503"];
            Assert.Empty(expected.Except(Statuses(operation)).Select(x => $"{name} {x}"));

            if (body.ValueKind is JsonValueKind.Object)
                Assert.True(
                    body.GetProperty("content").GetProperty("application/json").TryGetProperty("example", out _),
                    name
                );
            if (
                operation.TryGetProperty("parameters", out var parameters)
                && parameters.EnumerateArray().Any(x => x.GetProperty("name").GetString() == "Idempotency-Key")
            )
                Assert.Empty(((string[])["409", "422"]).Except(Statuses(operation)).Select(x => $"{name} {x}"));
        }
    }

    [Fact]
    public async Task The_examples_can_be_sent_and_are_answered_like_the_examples()
    {
        var operations = (await Operations()).ToDictionary(
            x => x.Operation.GetProperty("operationId").GetString()!,
            x => x.Operation
        );
        var key = Guid.Empty;

        foreach (
            var (operation, path) in ((string, string)[])
                [
                    ("CreateSession", "/v1/sessions"),
                    ("CreateWatch", "/v1/watches"),
                    ("AcceptEvents", "/v1/events?dryRun=true"),
                    ("AcceptEvents", "/v1/events"),
                    ("WakeSession", "/v1/sessions/implementer/wake"),
                    ("ScheduleWake", "/v1/sessions/implementer/schedule"),
                    ("ResetSession", "/v1/sessions/implementer/reset"),
                    ("PutRoute", "/v1/routes/assigned"),
                    ("PauseSessions", "/v1/pauses"),
                    ("BatchSessions", "/v1/sessions/batch"),
                    ("RedriveDeadLetters", "/v1/dead-letters/redrive"),
                    ("DropDeadLetters", "/v1/dead-letters/drop"),
                    ("CreateKey", "/v1/keys"),
                    ("RotateKey", "/v1/keys/{key}/rotate"),
                ]
        )
        {
            var example = operations[operation]
                .GetProperty("requestBody")
                .GetProperty("content")
                .GetProperty("application/json")
                .GetProperty("example");
            var answer = await wake.Http.SendAsync(
                new(operation == "PutRoute" ? HttpMethod.Put : HttpMethod.Post, path.Replace("{key}", $"{key}"))
                {
                    Content = Json(example.GetRawText()),
                }
            );

            var text = await answer.Content.ReadAsStringAsync();
            var (status, body) = ($"{(int)answer.StatusCode}", JsonElement.Parse(text));
            var shown = operations[operation]
                .GetProperty("responses")
                .GetProperty(status)
                .GetProperty("content")
                .GetProperty("application/json")
                .GetProperty("example");
            var missing = shown
                .EnumerateObject()
                .Select(x => x.Name)
                .Except(body.EnumerateObject().Select(x => x.Name));
            Assert.True(!missing.Any(), $"{operation} shows {string.Join(", ", missing)}, and answers {text}");
            if (operation == "CreateKey")
                key = body.GetProperty("id").GetGuid();
        }
    }

    public static TheoryData<string, string, string, string?, string?, int> Requests =>
        new()
        {
            { "POST", "/v1/events", "application/json", "{", null, 400 },
            { "POST", "/v1/events", "application/json", "{}", "\"\"", 400 },
            { "POST", "/v1/events", "text/plain", "{}", null, 415 },
            { "POST", "/v1/events", "application/json", null, null, 413 },
            { "POST", "/v1/sessions", "application/json", "{}", null, 400 },
            { "POST", "/v1/sessions", "text/plain", "{}", null, 415 },
            { "POST", "/v1/sessions", "application/json", null, null, 413 },
            { "POST", "/v1/watches", "application/json", """{"session":"nobody","subject":"s"}""", null, 404 },
            { "POST", "/v1/sessions/{key}/wake", "application/json", """{"reason":"r"}""", "k", 404 },
            {
                "POST",
                "/v1/sessions/{key}/schedule",
                "application/json",
                """{"reason":"r","at":"2031-02-03T04:05:06Z"}""",
                null,
                404
            },
            { "POST", "/v1/sessions/{key}/reset", "application/json", "{}", null, 404 },
            { "GET", "/v1/sessions/{key}/permissions", "application/json", "", null, 404 },
            { "DELETE", "/v1/sessions/{key}/permissions/{id}", "application/json", "", null, 404 },
            { "DELETE", "/v1/sessions", "application/json", "", null, 400 },
            { "POST", "/v1/events/{id}/replay", "application/json", "", null, 404 },
            { "PUT", "/v1/routes/{name}", "application/json", "{}", null, 400 },
            { "DELETE", "/v1/routes/{name}", "application/json", "", null, 404 },
            { "POST", "/v1/pauses", "application/json", "{}", null, 400 },
            { "POST", "/v1/sessions/batch", "application/json", "{}", null, 400 },
            {
                "POST",
                "/v1/sessions/batch",
                "application/json",
                """{"action":"close","keys":["nobody"],"expect":1}""",
                null,
                409
            },
            { "GET", "/v1/sessions/{key}/turns/{number}/transcript", "application/json", "", null, 404 },
            { "GET", "/v1/sessions/{key}/turns/{number}/live", "application/json", "", null, 404 },
            { "GET", "/v1/activity", "application/json", "", "limit", 400 },
            { "DELETE", "/v1/pauses/{id}", "application/json", "", null, 404 },
            { "GET", "/v1/notifications/{target}/{id}", "application/json", "", null, 404 },
            { "POST", "/v1/notifications/{target}/test", "application/json", "", null, 404 },
            { "POST", "/v1/notifications/{target}/redrive", "application/json", "", null, 404 },
            { "POST", "/v1/questions/{id}/answer", "application/json", "{}", null, 404 },
            { "GET", "/v1/sessions", "application/json", "", "limit", 400 },
            { "GET", "/v1/events", "application/json", "", "limit", 400 },
            { "GET", "/v1/watches", "application/json", "", "limit", 400 },
            { "GET", "/v1/questions", "application/json", "", "limit", 400 },
            { "GET", "/v1/costs", "application/json", "", "limit", 400 },
            { "GET", "/v1/costs/profiles", "application/json", "", "limit", 400 },
            { "GET", "/v1/dead-letters", "application/json", "", "limit", 400 },
            { "POST", "/v1/dead-letters/redrive", "application/json", "{}", null, 400 },
            { "POST", "/v1/dead-letters/drop", "application/json", "{}", null, 400 },
            { "POST", "/v1/runners/{name}/drain", "application/json", "", null, 404 },
            { "DELETE", "/v1/runners/{name}/drain", "application/json", "", null, 404 },
            { "GET", "/v1/sessions/{key}", "application/json", "", null, 404 },
            { "GET", "/v1/explain/events/{id}", "application/json", "", null, 404 },
            { "GET", "/v1/explain/sessions/{key}", "application/json", "", null, 404 },
            { "POST", "/v1/keys", "application/json", "{}", null, 400 },
            { "POST", "/v1/keys/{id}/rotate", "application/json", """{"overlapSeconds":-1}""", null, 400 },
            { "POST", "/v1/keys/{id}/rotate", "application/json", "", null, 404 },
            { "DELETE", "/v1/keys/{id}", "application/json", "", null, 404 },
        };

    [Theory]
    [MemberData(nameof(Requests))]
    public async Task Every_refusal_is_a_problem_that_the_document_names(
        string method,
        string path,
        string type,
        string? body,
        string? key,
        int status
    )
    {
        var address = path.Replace("{id}", $"{Guid.NewGuid()}")
            .Replace("{key}", "nobody")
            .Replace("{name}", "nothing")
            .Replace("{number}", "1");
        var request = new HttpRequestMessage(new(method), key == "limit" ? $"{address}?limit=0" : address);
        if (body is not "")
            request.Content = Json(body ?? new string(' ', path == "/v1/events" ? 9_000_000 : 70_000), type);
        if (key is not null)
            request.Headers.TryAddWithoutValidation("Idempotency-Key", key);

        var answer = await wake.Http.SendAsync(request);

        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType!.MediaType);
        var operation = (await Operations()).Single(x => x.Name == $"{method} {path}").Operation;
        Assert.True(
            operation
                .GetProperty("responses")
                .GetProperty($"{status}")
                .GetProperty("content")
                .TryGetProperty("application/problem+json", out _)
        );
    }

    async Task<IReadOnlyList<(string Name, JsonElement Operation)>> Operations()
    {
        var document = await wake.Http.GetFromJsonAsync<JsonElement>("/openapi/v1.json");
        return
        [
            .. from path in document.GetProperty("paths").EnumerateObject()
            where path.Name.StartsWith("/v1", StringComparison.Ordinal)
            from operation in path.Value.EnumerateObject()
            select ($"{operation.Name.ToUpperInvariant()} {path.Name}", operation.Value),
        ];
    }

    static IEnumerable<string> Statuses(JsonElement operation) =>
        operation.GetProperty("responses").EnumerateObject().Select(x => x.Name);

    static StringContent Json(string body, string type = "application/json") =>
        new(body, new MediaTypeHeaderValue(type));
}
