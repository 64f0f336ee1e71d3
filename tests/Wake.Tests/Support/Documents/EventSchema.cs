using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using Wake.Contracts;
using Wake.ServiceDefaults;

namespace Wake.Tests.Support;

/// <summary>
/// The event as JSON Schema and the broker as AsyncAPI, made from the contract, its limits and its comments. The files
/// in <c>shared/Wake.Contracts</c> are what comes out.
/// </summary>
public static class EventSchema
{
    public const string Dialect = "https://json-schema.org/draft/2020-12/schema";

    static readonly Dictionary<string, int> Limits = new()
    {
        ["id"] = EventLimits.MaxNameLength,
        ["source"] = EventLimits.MaxNameLength,
        ["type"] = EventLimits.MaxNameLength,
        ["replayOf"] = EventLimits.MaxNameLength,
        ["subject"] = EventLimits.MaxKeyLength,
        ["dedupKey"] = EventLimits.MaxKeyLength,
        ["actor"] = EventLimits.MaxKeyLength,
        ["reason"] = EventLimits.MaxReasonLength,
    };

    public static string Event()
    {
        var schema = EventJson
            .Options.GetJsonSchemaAsNode(
                typeof(ExternalEventObserved),
                new()
                {
                    TreatNullObliviousAsNonNullable = true,
                    TransformSchemaNode = (context, node) => Bounded(context.PropertyInfo?.Name, node),
                }
            )
            .AsObject();

        var properties = schema["properties"]!.AsObject();
        foreach (var (name, property) in properties.ToList())
        {
            var described = new JsonObject
            {
                ["description"] = Comment(
                    typeof(ExternalEventObserved).GetProperty($"{char.ToUpperInvariant(name[0])}{name[1..]}")!
                ),
            };
            foreach (var (keyword, value) in property as JsonObject ?? [])
                described[keyword] = value?.DeepClone();
            properties[name] = described;
        }

        return Text(
            new()
            {
                ["$schema"] = Dialect,
                ["$id"] = "urn:wake:external-event-observed",
                ["title"] = nameof(ExternalEventObserved),
                ["description"] =
                    $"{Comment(typeof(ExternalEventObserved))} Members that are not named here are ignored, "
                    + "and told. "
                    + $"The whole has at most {EventLimits.MaxBytes} bytes.",
                ["type"] = "object",
                ["required"] = schema["required"]!.DeepClone(),
                ["properties"] = properties.DeepClone(),
            }
        );
    }

    public static string AsyncApi() =>
        Text(
            new()
            {
                ["asyncapi"] = "3.0.0",
                ["info"] = new JsonObject
                {
                    ["title"] = "Wake",
                    ["version"] = "1",
                    ["description"] = "Publish what happened as plain JSON, and the sessions that wait for it wake.",
                },
                ["defaultContentType"] = "application/json",
                ["channels"] = new JsonObject
                {
                    ["events"] = Channel(
                        EventExchange.Name,
                        "Where any program publishes events. The routing key is free; the event's type is a good one.",
                        "event",
                        new()
                        {
                            ["is"] = "routingKey",
                            ["exchange"] = new JsonObject
                            {
                                ["name"] = EventExchange.Name,
                                ["type"] = "topic",
                                ["durable"] = true,
                                ["autoDelete"] = false,
                            },
                            ["bindingVersion"] = "0.3.0",
                        }
                    ),
                    ["errors"] = Channel(
                        EventExchange.ErrorQueue,
                        "Where messages end that are no events, each as it came.",
                        "refused",
                        new()
                        {
                            ["is"] = "queue",
                            ["queue"] = new JsonObject
                            {
                                ["name"] = EventExchange.ErrorQueue,
                                ["durable"] = true,
                                ["exclusive"] = false,
                                ["autoDelete"] = false,
                            },
                            ["bindingVersion"] = "0.3.0",
                        }
                    ),
                },
                ["operations"] = new JsonObject
                {
                    ["takeEventsIn"] = new JsonObject
                    {
                        ["action"] = "receive",
                        ["channel"] = Ref("#/channels/events"),
                    },
                    ["refuseMessages"] = new JsonObject { ["action"] = "send", ["channel"] = Ref("#/channels/errors") },
                },
                ["components"] = new JsonObject
                {
                    ["messages"] = new JsonObject
                    {
                        ["event"] = new JsonObject
                        {
                            ["name"] = nameof(ExternalEventObserved),
                            ["contentType"] = "application/json",
                            ["headers"] = Headers(
                                (
                                    "traceparent",
                                    "W3C trace context: kept with the event, whose wake goes on with its trace."
                                ),
                                ("tracestate", "The state that belongs to it, up to 512 characters.")
                            ),
                            ["payload"] = new JsonObject
                            {
                                ["schemaFormat"] = "application/schema+json;version=draft-2020-12",
                                ["schema"] = Ref("./event.schema.json"),
                            },
                        },
                        ["refused"] = new JsonObject
                        {
                            ["name"] = "Refused",
                            ["headers"] = Headers(
                                ("wake-reason", "Why it is no event, in a sentence."),
                                ("wake-routing-key", "The routing key it was published with.")
                            ),
                            ["payload"] = new JsonObject { ["description"] = "The message as it came." },
                        },
                    },
                },
            }
        );

    static JsonObject Channel(string address, string description, string message, JsonObject binding) =>
        new()
        {
            ["address"] = address,
            ["description"] = description,
            ["messages"] = new JsonObject { [message] = Ref($"#/components/messages/{message}") },
            ["bindings"] = new JsonObject { ["amqp"] = binding },
        };

    static JsonObject Headers(params ReadOnlySpan<(string Name, string Description)> headers)
    {
        var properties = new JsonObject();
        foreach (var (name, description) in headers)
            properties[name] = new JsonObject { ["type"] = "string", ["description"] = description };
        return new() { ["type"] = "object", ["properties"] = properties };
    }

    static JsonObject Ref(string to) => new() { ["$ref"] = to };

    // What EventValidation asks beyond the type.
    static JsonNode Bounded(string? property, JsonNode node)
    {
        if (node is not JsonObject schema || property is null)
            return node;

        if (Limits.TryGetValue(property, out var limit))
            Name(schema, limit);
        else if (schema["items"] is JsonObject items)
        {
            items["type"] = "string";
            Name(items, EventLimits.MaxKeyLength);
            schema["maxItems"] = EventLimits.MaxListEntries;
        }

        return schema;
    }

    static void Name(JsonObject schema, int limit)
    {
        schema["maxLength"] = limit;

        // Not blank, and without what PostgreSQL cannot hold.
        schema["pattern"] = @"^[^\u0000]*[^\s\u0000][^\u0000]*$";
    }

    static string Comment(MemberInfo member) => XmlComments.Of(member, JsonNamingPolicy.CamelCase.ConvertName)!;

    internal static string Text(JsonObject document) =>
        document.ToJsonString(
            new()
            {
                WriteIndented = true,
                Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
            }
        ) + "\n";
}
