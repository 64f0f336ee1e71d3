using System.Text.Json.Nodes;

namespace Wake.Tests.Support;

/// <summary>A difference between two descriptions of the HTTP API.</summary>
/// <param name="Where">The operation, and where in it: <c>GET /v1/sessions answers 200: [].key</c>.</param>
/// <param name="What">What is different.</param>
/// <param name="IsBreaking">Whether a client written for the first description can fail on the second.</param>
sealed record ApiChange(string Where, string What, bool IsBreaking);

/// <summary>
/// Tells additive from breaking changes of an OpenAPI document. Schemas are compared where they are used, so their
/// names, descriptions and examples do not count.
/// </summary>
sealed class OpenApiComparison
{
    enum Direction
    {
        Request,
        Answer,
    }

    static readonly string[] Keywords = ["format", "pattern", "minimum", "maximum", "minLength", "maxLength"];

    readonly JsonObject before;
    readonly JsonObject after;
    readonly List<ApiChange> changes = [];

    OpenApiComparison(JsonObject before, JsonObject after) => (this.before, this.after) = (before, after);

    public static IReadOnlyList<ApiChange> Compare(JsonObject before, JsonObject after)
    {
        var comparison = new OpenApiComparison(before, after);
        comparison.ComparePaths();
        return comparison.changes;
    }

    /// <summary>What there is to say to who has changed the API.</summary>
    public static string Explain(IReadOnlyList<ApiChange> changes, string file)
    {
        var (breaking, additive) = (changes.Where(x => x.IsBreaking), changes.Where(x => !x.IsBreaking));
        string[] lines =
        [
            $"{file} is not what the HTTP API says of itself.",
            .. Listed("Breaking", breaking),
            .. Listed("Additive", additive),
            changes is [] ? "Only names of schemas, descriptions or examples differ: WAKE_WRITE_CONTRACTS=1 writes it."
            : breaking.Any()
                ? "Breaking changes keep to the rule in docs/http-api.md#compatibility. "
                    + "WAKE_WRITE_CONTRACTS=breaking writes it."
            : "Clients survive that: WAKE_WRITE_CONTRACTS=1 writes it.",
        ];
        return string.Join('\n', lines);

        static IEnumerable<string> Listed(string kind, IEnumerable<ApiChange> changes) =>
            changes.Any() ? [$"{kind}:", .. changes.Select(x => $"  {x.Where}: {x.What}")] : [];
    }

    void ComparePaths() =>
        CompareMembers(
            Operations(before),
            Operations(after),
            removed: name => Breaking(name, "is gone"),
            added: name => Additive(name, "is new"),
            CompareOperation
        );

    static Dictionary<string, JsonObject> Operations(JsonObject document) =>
        (
            from path in Members(document["paths"])
            from operation in Members(path.Value)
            select ($"{operation.Key.ToUpperInvariant()} {path.Key}", operation.Value)
        ).ToDictionary(x => x.Item1, x => x.Value);

    void CompareOperation(string name, JsonObject was, JsonObject now)
    {
        if (Text(was["operationId"]) != Text(now["operationId"]))
            Breaking(name, $"has the operationId {Text(now["operationId"])} instead of {Text(was["operationId"])}");
        if (Text(was["security"]) != Text(now["security"]))
            Breaking(name, $"needs {Text(now["security"])} instead of {Text(was["security"])}");

        CompareMembers(
            Parameters(was),
            Parameters(now),
            removed: x => Breaking(name, $"no longer takes the {x}"),
            added: x => Change(name, $"takes the {x}", IsTrue(Parameters(now)[x]["required"])),
            (parameter, old, young) =>
            {
                var where = $"{name} {parameter}";
                if (IsTrue(old["required"]) != IsTrue(young["required"]))
                    Change(where, IsTrue(young["required"]) ? "is required" : "is optional", IsTrue(young["required"]));
                CompareSchemas(where, old["schema"], young["schema"], Direction.Request, []);
            }
        );

        CompareBodies(name, was["requestBody"] as JsonObject, now["requestBody"] as JsonObject);

        CompareMembers(
            Members(was["responses"]),
            Members(now["responses"]),
            removed: status => Breaking(name, $"no longer answers {status}"),
            added: status => Additive(name, $"answers {status}"),
            (status, old, young) =>
                CompareContents($"{name} answers {status}", old["content"], young["content"], Direction.Answer)
        );
    }

    void CompareBodies(string name, JsonObject? was, JsonObject? now)
    {
        if (was is null && now is not null)
            Change(name, "takes a body", IsTrue(now["required"]));
        else if (was is not null && now is null)
            Breaking(name, "no longer takes a body");
        else if (was is not null && now is not null)
        {
            if (IsTrue(was["required"]) != IsTrue(now["required"]))
                Change(
                    name,
                    IsTrue(now["required"]) ? "requires a body" : "takes no body as well",
                    IsTrue(now["required"])
                );
            CompareContents($"{name} takes", was["content"], now["content"], Direction.Request);
        }
    }

    void CompareContents(string where, JsonNode? was, JsonNode? now, Direction direction) =>
        CompareMembers(
            Members(was),
            Members(now),
            removed: type => Breaking(where, $"no longer has the media type {type}"),
            added: type => Additive(where, $"has the media type {type}"),
            (type, old, young) =>
                CompareSchemas(
                    type == "application/json" ? where : $"{where} ({type})",
                    old["schema"],
                    young["schema"],
                    direction,
                    []
                )
        );

    void CompareSchemas(
        string where,
        JsonNode? wasNode,
        JsonNode? nowNode,
        Direction direction,
        HashSet<(string, string)> inside
    )
    {
        var (wasName, nowName) = (Reference(wasNode), Reference(nowNode));
        if (wasName is not null && nowName is not null && !inside.Add((wasName, nowName)))
            return;

        var (was, now) = (Resolve(before, wasNode), Resolve(after, nowNode));
        CompareTypes(where, Types(before, was), Types(after, now), direction);
        foreach (var keyword in Keywords.Where(x => Text(was[x]) != Text(now[x])))
            Breaking(where, $"has the {keyword} {Text(now[keyword])} instead of {Text(was[keyword])}");
        CompareEnums(where, was["enum"] as JsonArray, now["enum"] as JsonArray);
        CompareProperties(where, was, now, direction, inside);

        foreach (var (keyword, suffix) in ((string, string)[])[("items", "[]"), ("additionalProperties", ".*")])
        {
            if (was[keyword] is JsonObject && now[keyword] is JsonObject)
                CompareSchemas($"{where}{suffix}", was[keyword], now[keyword], direction, inside);
            else if (was[keyword] is not null || now[keyword] is not null)
                CompareTexts($"{where}{suffix}", was[keyword], now[keyword]);
        }

        var (wasOneOf, nowOneOf) = (Alternatives(was), Alternatives(now));
        if (wasOneOf.Count != nowOneOf.Count)
            Breaking(where, $"is one of {nowOneOf.Count} schemas instead of {wasOneOf.Count}");
        else
        {
            for (var i = 0; i < wasOneOf.Count; i++)
                CompareSchemas(where, wasOneOf[i], nowOneOf[i], direction, inside);
        }

        if (wasName is not null && nowName is not null)
            inside.Remove((wasName, nowName));
    }

    void CompareTexts(string where, JsonNode? was, JsonNode? now)
    {
        if (Text(was) != Text(now))
            Breaking(where, $"is {Text(now)} instead of {Text(was)}");
    }

    // Who sends may send what was allowed; who reads meets only what was announced.
    void CompareTypes(string where, HashSet<string> was, HashSet<string> now, Direction direction)
    {
        if (was.SetEquals(now))
            return;

        var isSafe = direction is Direction.Request ? Allows(now, was) : Allows(was, now);
        Change(where, $"is {Listed(now)} instead of {Listed(was)}", !isSafe);

        // A schema without a type allows anything.
        static bool Allows(HashSet<string> wide, HashSet<string> narrow) =>
            wide.Count == 0 || (narrow.Count > 0 && narrow.IsSubsetOf(wide));

        static string Listed(HashSet<string> types) =>
            types is { Count: 0 } ? "anything" : string.Join(" or ", types.Order());
    }

    void CompareEnums(string where, JsonArray? was, JsonArray? now)
    {
        if (was is null != now is null)
        {
            Breaking(where, now is null ? "is no longer a fixed set of words" : "is a fixed set of words");
            return;
        }

        var (old, young) = (was?.Select(Text).ToList() ?? [], now?.Select(Text).ToList() ?? []);
        foreach (var member in old.Except(young))
            Breaking(where, $"no longer has the word {member}");
        foreach (var member in young.Except(old))
            Additive(where, $"has the word {member}");
    }

    void CompareProperties(
        string where,
        JsonObject was,
        JsonObject now,
        Direction direction,
        HashSet<(string, string)> inside
    )
    {
        var (wasRequired, nowRequired) = (Required(was), Required(now));
        CompareMembers(
            Members(was["properties"]),
            Members(now["properties"]),
            removed: name => Breaking($"{where}.{name}", "is gone"),
            added: name =>
                Change(
                    $"{where}.{name}",
                    nowRequired.Contains(name) && direction is Direction.Request ? "is new and required" : "is new",
                    nowRequired.Contains(name) && direction is Direction.Request
                ),
            (name, old, young) =>
            {
                if (wasRequired.Contains(name) != nowRequired.Contains(name))
                    Change(
                        $"{where}.{name}",
                        nowRequired.Contains(name) ? "is required" : "is optional",
                        nowRequired.Contains(name) == direction is Direction.Request
                    );
                CompareSchemas($"{where}.{name}", old, young, direction, inside);
            }
        );
    }

    static void CompareMembers(
        Dictionary<string, JsonObject> was,
        Dictionary<string, JsonObject> now,
        Action<string> removed,
        Action<string> added,
        Action<string, JsonObject, JsonObject> both
    )
    {
        foreach (var name in was.Keys.Except(now.Keys))
            removed(name);
        foreach (var name in now.Keys.Except(was.Keys))
            added(name);
        foreach (var name in was.Keys.Intersect(now.Keys))
            both(name, was[name], now[name]);
    }

    static Dictionary<string, JsonObject> Parameters(JsonObject operation) =>
        (operation["parameters"] as JsonArray ?? [])
            .OfType<JsonObject>()
            .ToDictionary(x => $"{x["in"]} parameter {x["name"]}");

    // A reference that may be null stands as oneOf null and the reference.
    static HashSet<string> Types(JsonObject document, JsonObject schema) =>
        schema["type"] switch
        {
            JsonArray several => [.. several.Select(x => (string)x!)],
            JsonNode one => [(string)one!],
            null => (schema["oneOf"] as JsonArray ?? [])
                .SelectMany(x => Types(document, Resolve(document, x)))
                .ToHashSet(),
        };

    static List<JsonNode?> Alternatives(JsonObject schema) =>
        [
            .. (schema["oneOf"] as JsonArray ?? schema["anyOf"] as JsonArray ?? []).Where(x =>
                x is not JsonObject { Count: 1 } only || Text(only["type"]) != "null"
            ),
        ];

    static HashSet<string> Required(JsonObject schema) =>
        [.. (schema["required"] as JsonArray ?? []).Select(x => (string)x!)];

    static string? Reference(JsonNode? schema) => (string?)(schema as JsonObject)?["$ref"];

    static JsonObject Resolve(JsonObject document, JsonNode? schema) =>
        Reference(schema)?.Split('/')[^1] is { } name
            ? (JsonObject)document["components"]!["schemas"]![name]!
            : schema as JsonObject ?? [];

    static Dictionary<string, JsonObject> Members(JsonNode? node) =>
        (node as JsonObject ?? [])
            .Where(x => x.Value is JsonObject)
            .ToDictionary(x => x.Key, x => (JsonObject)x.Value!);

    static bool IsTrue(JsonNode? node) => node is not null && (bool)node;

    static string Text(JsonNode? node) =>
        node switch
        {
            null => "none",
            JsonValue value => value.ToString(),
            _ => node.ToJsonString(),
        };

    void Breaking(string where, string what) => Change(where, what, isBreaking: true);

    void Additive(string where, string what) => Change(where, what, isBreaking: false);

    void Change(string where, string what, bool isBreaking) => changes.Add(new(where, what, isBreaking));
}
