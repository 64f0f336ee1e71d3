namespace Wake.Offline;

/// <summary>An HTTP failure in the shape the Messages API gives it.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Attempts">How many attempts fail before the reply comes after all.</param>
/// <param name="Type">The error type in the body.</param>
/// <param name="Message">What the body says to a person.</param>
/// <param name="RetryAfter">The <c>retry-after</c> header, or null for none.</param>
/// <param name="ShouldRetry">The <c>x-should-retry</c> header, or null for none.</param>
sealed record ScriptedFailure(
    int Status,
    int Attempts,
    string Type,
    string Message,
    string? RetryAfter = null,
    string? ShouldRetry = null
)
{
    /// <summary>A failure of the stand-in's own, with the type that belongs to the status.</summary>
    public static ScriptedFailure Because(int status, string message) =>
        new(status, int.MaxValue, TypeOf(status), message);

    /// <summary>The failure a step asks for, or null.</summary>
    /// <exception cref="FormatException">The marker's argument cannot be read.</exception>
    public static ScriptedFailure? From(IReadOnlyList<Marker> step)
    {
        if (step.LastOrDefault(x => x.Name == "http") is not { } http)
            return null;

        var (code, attempts) = http.Argument.Split(':') switch
        {
            [var always] => (always, ""),
            [var first, var times] => (first, times),
            _ => throw http.Unreadable(),
        };

        var status = http.Number(code);
        if (status is < 400 or > 599)
            throw http.Unreadable();

        var type = Argument("etype") ?? TypeOf(status);

        return new(
            status,
            http.Attempts(attempts),
            type,
            Argument("msg") ?? type.Replace('_', ' '),
            Argument("retryafter"),
            Argument("shouldretry")
        );

        string? Argument(string name) => step.LastOrDefault(x => x.Name == name)?.Argument;
    }

    static string TypeOf(int status) =>
        status switch
        {
            400 => "invalid_request_error",
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            529 => "overloaded_error",
            _ => "api_error",
        };
}
