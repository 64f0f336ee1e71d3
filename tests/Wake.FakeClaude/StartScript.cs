using System.Text.Json.Nodes;

namespace Wake.FakeClaude;

/// <summary>
/// What <c>fake-claude.json</c> says about a process that has not read any message yet:
/// <c>{"verbs":["exit-before-init 3"],"times":2,"version":"2.1.400"}</c>.
/// </summary>
/// <param name="Verbs">What this start does, in order.</param>
/// <param name="Times">To how many starts the verbs apply; 1 when not said.</param>
/// <param name="Version">What <c>--version</c> and init report; stays when the verbs are used up.</param>
sealed record StartScript(IReadOnlyList<Step> Verbs, int Times, string? Version)
{
    public const string UsualVersion = "2.1.329";

    const string DenyResume = "deny-resume";

    public static readonly StartScript None = new([], 0, null);

    /// <summary>Whether a session that exists is to be called unknown.</summary>
    public bool DeniesResume => Verbs.Any(x => x.Verb == DenyResume);

    /// <summary>What can only happen inside a turn waits for one.</summary>
    public IReadOnlyList<Step> ForTheFirstTurn =>
        [.. Verbs.Where(x => x.Verb != DenyResume && !ProcessVerbs.All.ContainsKey(x.Verb))];

    JsonObject Source { get; init; } = [];

    public static StartScript Read(string json)
    {
        var source = Json.Parse(json) ?? throw new FormatException("fake-claude.json is no JSON object.");
        var times = source["times"]?.GetValue<int>() ?? 1;
        var verbs =
            times > 0 && source["verbs"] is JsonArray list ? list.Select(x => Script.Parse(x!.GetValue<string>())) : [];

        return new([.. verbs], times, source.Text("version")) { Source = source };
    }

    public JsonObject AfterOneStart()
    {
        var left = (JsonObject)Source.DeepClone();
        left["times"] = Math.Max(0, Times - 1);
        return left;
    }
}
