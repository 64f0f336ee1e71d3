using System.Text.Json;
using System.Text.Json.Nodes;
using Wake.Contracts;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Notifier;

/// <summary>A message as programs get it: <c>id</c>, <c>type</c>, <c>timestamp</c> and <c>data</c>. Its texts are
/// bounded, and what looks like a secret is taken out.</summary>
static class NotificationJson
{
    // A message is to have less than 20 kB, as Standard Webhooks ask for; a digest of many may have more.
    const int MaxText = 1000;
    const int MaxOptions = 10;
    const int MaxQuestions = 4;

    /// <summary>As UTF-8.</summary>
    public static byte[] Write(ClaimedNotification message) =>
        JsonSerializer.SerializeToUtf8Bytes(
            message.Facts is [var only]
                ? Fact(only)
                : new JsonObject
                {
                    ["id"] = message.Id,
                    ["type"] = "digest",
                    ["timestamp"] = message.Facts[0].At,
                    ["data"] = new JsonObject { ["facts"] = new JsonArray([.. message.Facts.Select(Fact)]) },
                }
        );

    /// <summary>The questions that a fact asks; none when it asks none, or they cannot be shown.</summary>
    public static IReadOnlyList<QuestionItem> Questions(StatedFact fact) =>
        fact is { Tool: QuestionItem.ToolName, Input: { } input }
            ? [.. QuestionItem.Parse(input).Take(MaxQuestions)]
            : [];

    /// <summary>The call that a fact asks to be allowed; null when it asks for none, or it cannot be shown.</summary>
    public static (string Tool, string Input, string? Why)? Permission(StatedFact fact)
    {
        if (fact is not { Tool: { } tool and not QuestionItem.ToolName, Input: { } input })
            return null;

        try
        {
            var asked = JsonSerializer.Deserialize<PermissionRequest>(input, JsonSerializerOptions.Web);
            return (tool, Bound(asked?.Input.ToString() ?? ""), asked?.Why is { } why ? Bound(why) : null);
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>The head of a text, without secrets.</summary>
    public static string Bound(string text)
    {
        var safe = Redaction.Redact(text);
        if (safe.Length <= MaxText)
            return safe;

        var head = StorableText.Head(safe, MaxText);
        return $"{head} … ({safe.Length - head.Length} more characters)";
    }

    static JsonObject Fact(StatedFact fact)
    {
        var data = new JsonObject();
        foreach (var member in fact.Data.EnumerateObject())
            data[member.Name] =
                member.Value.ValueKind is JsonValueKind.String
                    ? Bound(member.Value.GetString()!)
                    : JsonNode.Parse(member.Value.GetRawText());

        if (Questions(fact) is { Count: > 0 } questions)
            data["questions"] = new JsonArray([
                .. questions.Select(x => new JsonObject
                {
                    ["question"] = Bound(x.Question),
                    ["multiSelect"] = x.MultiSelect,
                    ["options"] = new JsonArray([
                        .. x
                            .Options.Take(MaxOptions)
                            .Select(option => new JsonObject
                            {
                                ["label"] = Bound(option.Label),
                                ["description"] = option.Description is { } more ? Bound(more) : null,
                            }),
                    ]),
                }),
            ]);
        if (Permission(fact) is { } permission)
            data["permission"] = new JsonObject
            {
                ["tool"] = Bound(permission.Tool),
                ["input"] = permission.Input,
                ["why"] = permission.Why,
            };

        return new()
        {
            ["id"] = fact.Id,
            ["type"] = fact.Type,
            ["timestamp"] = fact.At,
            ["data"] = data,
        };
    }
}
