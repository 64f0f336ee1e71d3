using System.Globalization;

namespace Wake.FakeClaude;

/// <summary>A turn the API would not answer, in the words of 2.1.329.</summary>
/// <param name="Status">HTTP status, or null when there was no answer, or no request.</param>
/// <param name="Label">The assistant line's <c>error</c>: the only place that tells some of these apart.</param>
/// <param name="Type">The result's <c>api_error_type</c>, or null.</param>
/// <param name="Text">What the session reads.</param>
/// <param name="Kind">The result's <c>api_error</c>, or null.</param>
/// <param name="TerminalReason">As in the result.</param>
/// <param name="StopReason">As in the result.</param>
sealed record ApiFailure(
    int? Status,
    string Label,
    string? Type,
    string Text,
    string? Kind = null,
    string TerminalReason = "api_error",
    string StopReason = "stop_sequence"
)
{
    public static readonly ApiFailure NotLoggedIn = new(
        null,
        "authentication_failed",
        null,
        "Not logged in · Please run /login"
    );

    public static readonly ApiFailure CreditTooLow = new(
        400,
        "billing_error",
        "invalid_request_error",
        "Credit balance is too low"
    );

    public static readonly ApiFailure PromptTooLong = new(
        400,
        "invalid_request",
        "invalid_request_error",
        "Prompt is too long",
        TerminalReason: "prompt_too_long"
    );

    public static readonly ApiFailure Refusal = new(
        null,
        "invalid_request",
        null,
        "API Error: the safeguards flagged this message.",
        StopReason: "refusal"
    );

    public static readonly ApiFailure UsageLimit = new(
        429,
        "rate_limit",
        "rate_limit_error",
        "You've hit your 5-hour limit",
        Kind: "usage_limit_reached"
    );

    /// <summary>A status code, or <c>refused</c>, <c>reset</c> or <c>timeout</c> for no answer at all.</summary>
    public static ApiFailure Of(string code) =>
        code switch
        {
            "400" => new(400, "unknown", "invalid_request_error", "API Error: 400 invalid request error"),
            "401" => new(
                401,
                "authentication_failed",
                "authentication_error",
                "Failed to authenticate. API Error: 401 authentication error"
            ),
            "403" => new(
                403,
                "authentication_failed",
                "permission_error",
                "Failed to authenticate. API Error: 403 permission error"
            ),
            "404" => new(
                404,
                "model_not_found",
                "not_found_error",
                "There's an issue with the selected model. It may not exist."
            ),
            "413" => new(
                413,
                "invalid_request",
                "request_too_large",
                "Request too large (max 32MB).",
                TerminalReason: "image_error"
            ),
            "429" => new(429, "rate_limit", "rate_limit_error", "API Error: Request rejected (429) · rate limit error"),
            "529" => new(529, "server_error", "overloaded_error", "API Error: 529 overloaded error."),
            "refused" => new(
                null,
                "server_error",
                null,
                "API Error: Connection refused (ECONNREFUSED)",
                Kind: "connection_failed"
            ),
            "reset" => new(
                null,
                "server_error",
                null,
                "API Error: Connection dropped (ECONNRESET).",
                Kind: "connection_failed"
            ),
            "timeout" => new(null, "server_error", null, "Request timed out."),
            _ => new(
                int.Parse(code, CultureInfo.InvariantCulture),
                "server_error",
                "api_error",
                $"API Error: {code} api error."
            ),
        };

    /// <summary>The <c>error</c> of an <c>api_retry</c> line, which uses other words than the assistant line.</summary>
    public string RetryLabel =>
        this switch
        {
            { Status: null } => "unknown",
            { Status: 529 } => "overloaded",
            _ => Label,
        };
}
