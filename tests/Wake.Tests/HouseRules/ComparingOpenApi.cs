using System.Text.Json.Nodes;
using Wake.Tests.Support;

namespace Wake.Tests.HouseRules;

/// <summary>Which changes of the HTTP API a client survives.</summary>
public sealed class ComparingOpenApi
{
    const string Document = """
        {
          "paths": {
            "/v1/things": {
              "get": {
                "operationId": "ListThings",
                "summary": "The things.",
                "security": [{"key": ["things:read"]}],
                "parameters": [
                  {"name": "limit", "in": "query", "schema": {"type": "integer", "format": "int32"}}
                ],
                "responses": {
                  "200": {"content": {"application/json": {"schema": {
                    "type": "array", "items": {"$ref": "#/components/schemas/Thing"}}}}}
                }
              },
              "post": {
                "operationId": "CreateThing",
                "requestBody": {"required": true, "content": {"application/json": {"schema": {
                  "$ref": "#/components/schemas/NewThing"}}}},
                "responses": {"201": {"content": {"application/json": {"schema": {
                  "$ref": "#/components/schemas/Thing"}}}}}
              }
            }
          },
          "components": {
            "schemas": {
              "NewThing": {
                "required": ["name"],
                "type": "object",
                "properties": {
                  "name": {"type": "string"},
                  "size": {"type": ["null", "integer"]},
                  "data": {},
                  "kind": {"$ref": "#/components/schemas/Kind"}
                }
              },
              "Thing": {
                "required": ["name", "state"],
                "type": "object",
                "properties": {
                  "name": {"type": "string"},
                  "note": {"type": ["null", "string"]},
                  "state": {"$ref": "#/components/schemas/State"},
                  "part": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Thing"}]}
                }
              },
              "State": {"enum": ["idle", "busy"]},
              "Kind": {"enum": ["small", "large"]}
            }
          }
        }
        """;

    public static TheoryData<string, string, string> Additive =>
        new()
        {
            { "\"paths\": {", "\"paths\": {\"/v1/new\": {\"get\": {}},", "GET /v1/new: is new" },
            {
                "\"get\": {\n        \"operationId\"",
                "\"put\": {}, \"get\": {\n        \"operationId\"",
                "PUT /v1/things: is new"
            },
            {
                "\"note\": {",
                "\"more\": {\"type\": \"string\"}, \"note\": {",
                "GET /v1/things answers 200[].more: is new"
            },
            {
                "[\"idle\", \"busy\"]",
                "[\"idle\", \"busy\", \"gone\"]",
                "POST /v1/things answers 201.state: has the word gone"
            },
            { "\"size\": {", "\"more\": {\"type\": \"string\"}, \"size\": {", "POST /v1/things takes.more: is new" },
            {
                "[\"small\", \"large\"]",
                "[\"small\", \"large\", \"huge\"]",
                "POST /v1/things takes.kind: has the word huge"
            },
            { "\"required\": [\"name\"]", "\"required\": []", "POST /v1/things takes.name: is optional" },
            {
                "[\"name\", \"state\"]",
                "[\"name\", \"state\", \"note\"]",
                "GET /v1/things answers 200[].note: is required"
            },
            {
                "\"note\": {\"type\": [\"null\", \"string\"]}",
                "\"note\": {\"type\": \"string\"}",
                "GET /v1/things answers 200[].note: is string instead of null or string"
            },
            {
                "\"size\": {\"type\": [\"null\", \"integer\"]}",
                "\"size\": {}",
                "POST /v1/things takes.size: is anything instead of integer or null"
            },
            {
                "{\"name\": \"limit\"",
                "{\"name\": \"after\", \"in\": \"query\"}, {\"name\": \"limit\"",
                "GET /v1/things: takes the query parameter after"
            },
            { "\"responses\": {\"201\"", "\"responses\": {\"409\": {}, \"201\"", "POST /v1/things: answers 409" },
        };

    public static TheoryData<string, string, string> Breaking =>
        new()
        {
            { "\"/v1/things\"", "\"/v1/items\"", "GET /v1/things: is gone" },
            { "\"post\": {", "\"put\": {", "POST /v1/things: is gone" },
            { "\"note\": {", "\"remark\": {", "GET /v1/things answers 200[].note: is gone" },
            { "\"size\": {", "\"length\": {", "POST /v1/things takes.size: is gone" },
            {
                "\"required\": [\"name\"]",
                "\"required\": [\"name\", \"size\"]",
                "POST /v1/things takes.size: is required"
            },
            {
                "\"required\": [\"name\"],\n        \"type\": \"object\",\n        \"properties\": {",
                "\"required\": [\"name\", \"color\"], \"type\": \"object\", \"properties\": {\"color\": {},",
                "POST /v1/things takes.color: is new and required"
            },
            { "[\"name\", \"state\"]", "[\"name\"]", "GET /v1/things answers 200[].state: is optional" },
            {
                "\"name\": {\"type\": \"string\"},\n          \"note\"",
                "\"name\": {\"type\": [\"null\", \"string\"]}, \"note\"",
                "GET /v1/things answers 200[].name: is null or string instead of string"
            },
            {
                "\"size\": {\"type\": [\"null\", \"integer\"]}",
                "\"size\": {\"type\": \"integer\"}",
                "POST /v1/things takes.size: is integer instead of integer or null"
            },
            {
                "\"data\": {}",
                "\"data\": {\"type\": \"object\"}",
                "POST /v1/things takes.data: is object instead of anything"
            },
            {
                "\"format\": \"int32\"",
                "\"format\": \"int64\"",
                "GET /v1/things query parameter limit: has the format int64 instead of int32"
            },
            { "[\"idle\", \"busy\"]", "[\"idle\"]", "GET /v1/things answers 200[].state: no longer has the word busy" },
            {
                "\"name\": \"limit\"",
                "\"name\": \"count\"",
                "GET /v1/things: no longer takes the query parameter limit"
            },
            {
                "{\"name\": \"limit\"",
                "{\"name\": \"after\", \"in\": \"query\", \"required\": true}, {\"name\": \"limit\"",
                "GET /v1/things: takes the query parameter after"
            },
            {
                "things:read",
                "admin",
                "GET /v1/things: needs [{\"key\":[\"admin\"]}] instead of [{\"key\":[\"things:read\"]}]"
            },
            { "\"201\"", "\"202\"", "POST /v1/things: no longer answers 201" },
            { "ListThings", "GetThings", "GET /v1/things: has the operationId GetThings instead of ListThings" },
            {
                "\"items\": {\"$ref\": \"#/components/schemas/Thing\"}",
                "\"items\": {\"$ref\": \"#/components/schemas/NewThing\"}",
                "GET /v1/things answers 200[].state: is gone"
            },
        };

    [Theory]
    [MemberData(nameof(Additive))]
    public void A_client_survives_what_is_added(string was, string now, string change)
    {
        var changes = Changed(was, now);

        Assert.DoesNotContain(changes, x => x.IsBreaking);
        Assert.Contains(change, changes.Select(x => $"{x.Where}: {x.What}"));
    }

    [Theory]
    [MemberData(nameof(Breaking))]
    public void A_client_may_not_survive_what_is_taken_away_or_asked_of_it(string was, string now, string change) =>
        Assert.Contains(change, Changed(was, now).Where(x => x.IsBreaking).Select(x => $"{x.Where}: {x.What}"));

    [Theory]
    [InlineData("The things.", "All things.")]
    [InlineData("NewThing", "ThingToMake")]
    [InlineData("\"State\": {", "\"State\": {\"description\": \"How it is.\",")]
    public void Words_and_the_names_of_schemas_are_no_change(string was, string now) => Assert.Empty(Changed(was, now));

    [Fact]
    public void The_explanation_says_what_breaks_and_what_to_do()
    {
        var removed = OpenApiComparison.Explain(Changed("\"note\": {", "\"remark\": {"), "openapi.json");
        var added = OpenApiComparison.Explain(Changed("\"size\": {", "\"more\": {}, \"size\": {"), "openapi.json");
        var worded = OpenApiComparison.Explain([], "openapi.json");

        Assert.Contains("Breaking:\n  GET /v1/things answers 200[].note: is gone", removed);
        Assert.Contains("docs/http-api.md", removed);
        Assert.StartsWith("openapi.json", added);
        Assert.DoesNotContain("Breaking", added);
        Assert.Contains("WAKE_WRITE_CONTRACTS=1", added);
        Assert.Contains("names of schemas, descriptions or examples", worded);
    }

    static IReadOnlyList<ApiChange> Changed(string was, string now)
    {
        Assert.Contains(was, Document);
        return OpenApiComparison.Compare(
            (JsonObject)JsonNode.Parse(Document)!,
            (JsonObject)JsonNode.Parse(Document.Replace(was, now))!
        );
    }
}
