using System.Text.Json.Nodes;

namespace Wake.FakeClaude;

/// <summary>The control protocol's lines; they carry a request id in place of uuid and session id.</summary>
static class ControlFrames
{
    public static JsonObject Success(string requestId, JsonObject? response = null)
    {
        var body = new JsonObject { ["subtype"] = "success", ["request_id"] = requestId };
        if (response is not null)
            body["response"] = response;
        return new() { ["type"] = "control_response", ["response"] = body };
    }

    public static JsonObject Unsupported(string requestId, string? subtype) =>
        new()
        {
            ["type"] = "control_response",
            ["response"] = new JsonObject
            {
                ["subtype"] = "error",
                ["request_id"] = requestId,
                ["error"] = $"Unsupported control request subtype: {subtype}",
                ["error_code"] = "unsupported_request",
            },
        };

    public static JsonObject Initialized(Cli cli) =>
        new()
        {
            ["commands"] = new JsonArray(),
            ["agents"] = new JsonArray(),
            ["output_style"] = "default",
            ["models"] = new JsonArray(),
            ["account"] = new JsonObject { ["apiKeySource"] = "ANTHROPIC_API_KEY" },
            ["pid"] = Environment.ProcessId,
            ["claude_code_version"] = cli.Version,
            ["current_permission_mode"] = cli.Arguments.PermissionMode,
        };

    public static JsonObject CanUseTool(string requestId, JsonObject toolCall) =>
        new()
        {
            ["type"] = "control_request",
            ["request_id"] = requestId,
            ["request"] = new JsonObject
            {
                ["subtype"] = "can_use_tool",
                ["tool_name"] = toolCall.Text("name"),
                ["display_name"] = toolCall.Text("name"),
                ["input"] = toolCall["input"]?.DeepClone(),
                ["tool_use_id"] = toolCall.Text("id"),
                ["requires_user_interaction"] = true,
            },
        };

    public static JsonObject Cancel(string requestId) =>
        new() { ["type"] = "control_cancel_request", ["request_id"] = requestId };
}
