using System.Reflection;
using System.Text.Json.Nodes;
using Wake.ServiceDefaults;
using Wake.Standalone;

namespace Wake.Tests.Support;

/// <summary>
/// A file of settings (<c>wake.json</c>, <c>settings.json</c>) as JSON Schema, made from the classes of options and
/// their comments. <c>deploy/wake.schema.json</c> is what comes out.
/// </summary>
static class SettingsSchema
{
    public static string Settings()
    {
        var sections = new JsonObject
        {
            ["$schema"] = new JsonObject { ["type"] = "string" },
            ["ConnectionStrings"] = new JsonObject
            {
                ["type"] = "object",
                ["properties"] = new JsonObject { ["Wake"] = new JsonObject { ["type"] = "string" } },
            },
            ["Logging"] = new JsonObject { ["type"] = "object" },
        };
        foreach (var section in StandaloneHost.Sections.OrderBy(x => x.Name, StringComparer.Ordinal))
            sections[section.Name] = Described(Node(section.Options), Comment(section.Options));

        return EventSchema.Text(
            new()
            {
                ["$schema"] = EventSchema.Dialect,
                ["$id"] = "urn:wake:settings",
                ["title"] = "Settings of Wake",
                ["type"] = "object",
                ["properties"] = sections,
                ["additionalProperties"] = false,
            }
        );
    }

    static JsonObject Node(Type type) =>
        SettingsShape.FromType(type) switch
        {
            SettingsShape.Members members => new()
            {
                ["type"] = "object",
                ["properties"] = new JsonObject(
                    members.Properties.Select(x =>
                        KeyValuePair.Create<string, JsonNode?>(
                            SettingsShape.GetName(x),
                            Described(Node(x.PropertyType), Comment(x))
                        )
                    )
                ),
                ["additionalProperties"] = false,
            },
            SettingsShape.Entries entries => new()
            {
                ["type"] = "object",
                ["additionalProperties"] = Node(entries.ElementType),
            },
            SettingsShape.Items items => new() { ["type"] = "array", ["items"] = Node(items.ElementType) },
            SettingsShape.Value value => Value(value.Type),
            var unknown => throw new InvalidOperationException($"Unknown {unknown}."),
        };

    static JsonObject Value(Type type) =>
        type.IsEnum ? new() { ["enum"] = new JsonArray([.. Enum.GetNames(type).Select(x => JsonValue.Create(x))]) }
        : type == typeof(bool) ? new() { ["type"] = "boolean" }
        : type == typeof(int) || type == typeof(long) ? new() { ["type"] = "integer" }
        : type == typeof(double) || type == typeof(decimal) ? new() { ["type"] = "number" }
        : type == typeof(TimeSpan)
            ? new()
            {
                ["type"] = "string",
                ["description"] = "days.hours:minutes:seconds",
                ["pattern"] = @"^(-?\d+|-?(\d+\.)?\d{1,2}:\d{2}(:\d{2}(\.\d{1,7})?)?)$",
            }
        : new() { ["type"] = "string" };

    static JsonObject Described(JsonObject node, string? comment)
    {
        if (comment is not null)
            node["description"] = node["description"] is { } form ? $"{comment} As {form}." : comment;
        return node;
    }

    static string? Comment(MemberInfo member) => XmlComments.Of(member, x => x);
}
