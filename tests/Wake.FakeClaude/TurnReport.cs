using System.Text.Json.Nodes;

namespace Wake.FakeClaude;

/// <summary>What a result line tells about a turn.</summary>
/// <param name="Ending">How it ended.</param>
/// <param name="Requests">How many API requests were answered.</param>
sealed record TurnReport(Ending Ending, int Requests)
{
    const double CostUsdPerRequest = 0.00028;
    const int InputTokensPerRequest = 10;
    const int OutputTokensPerRequest = 12;

    /// <summary>This turn alone; the result line itself gives the session's sum.</summary>
    public double CostUsd { get; init; } = CostUsdPerRequest * Requests;

    public JsonArray PermissionDenials { get; init; } = [];

    /// <summary>The messages whose turn it was; none when nobody asked for it.</summary>
    public IReadOnlyList<string> Messages { get; init; } = [];

    public bool IsRerun { get; init; }

    /// <summary>Who started it, when it was no message.</summary>
    public JsonObject? Origin { get; init; }

    public static JsonObject Usage(int requests) =>
        new()
        {
            ["input_tokens"] = InputTokensPerRequest * requests,
            ["cache_creation_input_tokens"] = 0,
            ["cache_read_input_tokens"] = 0,
            ["output_tokens"] = OutputTokensPerRequest * requests,
            ["service_tier"] = "standard",
        };

    public static JsonObject ModelUsage(string model, int requests, double costUsd) =>
        requests == 0
            ? []
            : new()
            {
                [model] = new JsonObject
                {
                    ["inputTokens"] = InputTokensPerRequest * requests,
                    ["outputTokens"] = OutputTokensPerRequest * requests,
                    ["cacheReadInputTokens"] = 0,
                    ["cacheCreationInputTokens"] = 0,
                    ["costUSD"] = costUsd,
                },
            };
}
