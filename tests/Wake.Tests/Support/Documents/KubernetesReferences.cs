using System.Text.Json.Nodes;

namespace Wake.Tests.Support;

/// <summary>What objects of Kubernetes say of each other: every name, key, port and selector must mean
/// something.</summary>
/// <param name="objects">All there are.</param>
public sealed class KubernetesReferences(IReadOnlyList<JsonNode> objects)
{
    // Made by hand or by an operator, beside everything else.
    static readonly string[] Elsewhere = ["Secret wake-tls", "Secret wake-console"];

    /// <summary>Those with pods.</summary>
    public IEnumerable<JsonNode> Workloads => objects.Where(x => Pod(x) is not null);

    /// <summary>The sentences about all that means nothing.</summary>
    public IReadOnlyList<string> Broken() => [.. objects.SelectMany(Of)];

    /// <summary>The pod of a workload; null for what has none.</summary>
    public static JsonNode? Pod(JsonNode item) => item["spec"]?["template"];

    /// <summary>Kind and name.</summary>
    public static string Called(JsonNode item) => $"{item["kind"]} {item["metadata"]!["name"]}";

    IEnumerable<string> Of(JsonNode item) =>
        from problem in (string)item["kind"]! switch
        {
            "Deployment" or "StatefulSet" => OfWorkload(item),
            "Service" => OfService(item),
            "PodDisruptionBudget" => OfSelector(item["spec"]!["selector"]),
            "NetworkPolicy" => OfPolicy(item["spec"]!),
            "Ingress" => OfIngress(item["spec"]!),
            "ScaledObject" => OfScaling(item["spec"]!),
            "TriggerAuthentication" => List(item["spec"]!["secretTargetRef"])
                .SelectMany(x => Key("Secret", x["name"], x["key"])),
            _ => [],
        }
        select $"{Called(item)}: {problem}";

    IEnumerable<string> OfWorkload(JsonNode item)
    {
        var (spec, pod) = (item["spec"]!, Pod(item)!["spec"]!);
        var volumes = List(pod["volumes"])
            .Concat(List(spec["volumeClaimTemplates"]).Select(x => x["metadata"]!))
            .Select(Name)
            .ToList();
        var mounts = List(pod["initContainers"])
            .Concat(List(pod["containers"]))
            .SelectMany(x => List(x["volumeMounts"]))
            .Select(Name)
            .ToList();

        return
        [
            .. Selects(spec["selector"]!, item) ? [] : (string[])["its selector does not select its pods"],
            .. List(pod["topologySpreadConstraints"])
                .Where(x => !Selects(x["labelSelector"]!, item))
                .Select(_ => "it spreads other pods"),
            .. spec["serviceName"] is { } service ? Exists("Service", service) : [],
            .. pod["serviceAccountName"] is { } account ? Exists("ServiceAccount", account) : [],
            .. mounts.Except(volumes).Select(x => $"there is no volume {x}"),
            .. volumes.Except(mounts).Select(x => $"the volume {x} is mounted nowhere"),
            .. List(pod["volumes"]).SelectMany(OfVolume),
            .. List(pod["containers"]).SelectMany(x => List(x["env"])).SelectMany(OfVariable),
            .. List(pod["containers"])
                .SelectMany(x =>
                    ((string[])["startupProbe", "livenessProbe", "readinessProbe"]).Select(probe => x[probe])
                )
                .Select(x => x?["httpGet"]?["port"] ?? x?["tcpSocket"]?["port"])
                .Where(x => x is not null && !HasPort(item, x))
                .Select(x => $"it has no port {x}"),
        ];
    }

    IEnumerable<string> OfVolume(JsonNode volume) =>
        [
            .. volume["persistentVolumeClaim"] is { } claim ? Exists("PersistentVolumeClaim", claim["claimName"]!) : [],
            .. OfFiles("ConfigMap", volume["configMap"], "name"),
            .. OfFiles("Secret", volume["secret"], "secretName"),
            .. List(volume["projected"]?["sources"])
                .SelectMany(x =>
                    OfFiles("ConfigMap", x["configMap"], "name").Concat(OfFiles("Secret", x["secret"], "name"))
                ),
        ];

    IEnumerable<string> OfFiles(string kind, JsonNode? source, string name) =>
        source is null
            ? []
            : List(source["items"])
                .SelectMany(x => Key(kind, source[name], x["key"]))
                .Concat(Exists(kind, source[name]));

    IEnumerable<string> OfVariable(JsonNode variable) =>
        ((string, string)[])[("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")] is var kinds
            ? kinds.SelectMany(x =>
                variable["valueFrom"]?[x.Item1] is { } from ? Key(x.Item2, from["name"], from["key"]) : []
            )
            : [];

    IEnumerable<string> OfService(JsonNode service)
    {
        var selected = Workloads
            .Where(x => Selects(new JsonObject { ["matchLabels"] = service["spec"]!["selector"]!.DeepClone() }, x))
            .ToList();
        return selected is []
            ? ["it selects nothing"]
            : from port in List(service["spec"]!["ports"])
            from pods in selected
            where !HasPort(pods, port["targetPort"])
            select $"{Called(pods)} has no port {port["targetPort"]}";
    }

    // Each value of an expression on its own: one that is wrong would hide behind those that are right.
    IEnumerable<string> OfSelector(JsonNode? selector) =>
        from one in Parts(selector!)
        where !Workloads.Any(x => Selects(one, x))
        select $"nothing is {one.ToJsonString()}";

    IEnumerable<string> OfPolicy(JsonNode policy) =>
        [
            .. OfSelector(policy["podSelector"]),
            .. List(policy["ingress"]).SelectMany(x => OfRule(x, "from", policy["podSelector"]!)),
            .. List(policy["egress"]).SelectMany(x => OfRule(x, "to", null)),
        ];

    IEnumerable<string> OfRule(JsonNode rule, string peers, JsonNode? target)
    {
        var pods = List(rule[peers])
            .Where(x => x["podSelector"] is not null && x["namespaceSelector"] is null)
            .Select(x => x["podSelector"]!)
            .ToList();
        var targets = target is null ? pods : [target];

        return
        [
            .. pods.SelectMany(OfSelector),
            .. from port in List(rule["ports"])
            where port["port"]!.GetValueKind() is System.Text.Json.JsonValueKind.String
            from pod in Workloads.Where(x => targets.Exists(selector => Selects(selector, x)))
            where !HasPort(pod, port["port"])
            select $"{Called(pod)} has no port {port["port"]}",
        ];
    }

    IEnumerable<string> OfIngress(JsonNode ingress) =>
        [
            .. List(ingress["tls"]).SelectMany(x => Exists("Secret", x["secretName"])),
            .. from rule in List(ingress["rules"])
            from path in List(rule["http"]!["paths"])
            let backend = path["backend"]!["service"]!
            where
                Find("Service", backend["name"]) is not { } service
                || !List(service["spec"]!["ports"]).Any(x => Same(x["name"], backend["port"]!["name"]))
            select $"there is no service {backend["name"]} with a port {backend["port"]!["name"]}",
        ];

    IEnumerable<string> OfScaling(JsonNode scaling) =>
        [
            .. Exists((string)scaling["scaleTargetRef"]!["kind"]!, scaling["scaleTargetRef"]!["name"]),
            .. List(scaling["triggers"])
                .SelectMany(x => Exists("TriggerAuthentication", x["authenticationRef"]!["name"])),
        ];

    IEnumerable<string> Exists(string kind, JsonNode? name) =>
        Find(kind, name) is not null || Elsewhere.Contains($"{kind} {name}") ? [] : [$"there is no {kind} {name}"];

    IEnumerable<string> Key(string kind, JsonNode? name, JsonNode? key) =>
        Find(kind, name) is not { } found ? [$"there is no {kind} {name}"]
        : ((found["data"] ?? found["stringData"]) as JsonObject)?.ContainsKey($"{key}") is true ? []
        : [$"{kind} {name} has no {key}"];

    JsonNode? Find(string kind, JsonNode? name) =>
        objects.FirstOrDefault(x => (string)x["kind"]! == kind && Same(x["metadata"]!["name"], name));

    static bool HasPort(JsonNode workload, JsonNode? port) =>
        List(Pod(workload)!["spec"]!["containers"])
            .SelectMany(x => List(x["ports"]))
            .Any(x => Same(x["name"], port) || Same(x["containerPort"], port));

    static bool Selects(JsonNode selector, JsonNode workload)
    {
        var labels = Pod(workload)!["metadata"]!["labels"]!.AsObject();
        return (selector["matchLabels"] as JsonObject ?? []).All(x => Same(labels[x.Key], x.Value))
            && List(selector["matchExpressions"])
                .All(x =>
                    (string)x["operator"]! is "In"
                    && List(x["values"]).Any(value => Same(labels[(string)x["key"]!], value))
                );
    }

    static IEnumerable<JsonNode> Parts(JsonNode selector) =>
        List(selector["matchExpressions"]).ToList() is [var expression]
            ? List(expression["values"])
                .Select(value =>
                {
                    var part = selector.DeepClone();
                    part["matchExpressions"]![0]!["values"] = new JsonArray(value.DeepClone());
                    return part;
                })
            : [selector];

    static IEnumerable<JsonNode> List(JsonNode? list) => (list as JsonArray ?? []).Select(x => x!);

    static string Name(JsonNode item) => (string)item["name"]!;

    static bool Same(JsonNode? one, JsonNode? other) => one is not null && JsonNode.DeepEquals(one, other);
}
