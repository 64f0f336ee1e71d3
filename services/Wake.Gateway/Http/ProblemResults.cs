using Microsoft.AspNetCore.Diagnostics;
using Wake.ServiceDefaults;

namespace Wake.Gateway;

/// <summary>Every error as problem details (RFC 9457), with a sentence that says what to do and nothing of our
/// insides.</summary>
static class ProblemResults
{
    public static IServiceCollection AddProblemResponses(this IServiceCollection services) =>
        services
            .AddProblemDetails(problems =>
                problems.CustomizeProblemDetails = context =>
                {
                    // Whatever an exception carried stays in the log.
                    context.ProblemDetails.Extensions.Remove("exception");
                }
            )
            .AddExceptionHandler<ExceptionToProblemHandler>();

    // The answer to a commit can be lost like any other.
    public const string OutcomeUnknown =
        "PostgreSQL does not answer, and whether this was done is not known. Send it again: what has the same "
        + "Idempotency-Key, or the same ids, is done once.";

    public static IResult Create(int status, string detail) => Results.Problem(detail, statusCode: status);

    public static IResult Invalid(IEnumerable<(string Field, string Problem)> problems) =>
        Results.ValidationProblem(
            problems.GroupBy(x => x.Field).ToDictionary(x => x.Key, x => x.Select(y => y.Problem).ToArray()),
            title: "The request is not valid; nothing was accepted."
        );

    public static IResult Invalid(string field, string problem) => Invalid([(field, problem)]);

    sealed class ExceptionToProblemHandler(IProblemDetailsService problems, ILogger<ExceptionToProblemHandler> log)
        : IExceptionHandler
    {
        public async ValueTask<bool> TryHandleAsync(
            HttpContext http,
            Exception exception,
            CancellationToken cancellationToken
        )
        {
            var (status, detail) = exception switch
            {
                BadHttpRequestException bad => (
                    bad.StatusCode,
                    bad.StatusCode == StatusCodes.Status413PayloadTooLarge
                        ? "The body is larger than is allowed here."
                        : "The request could not be read."
                ),
                _ when PostgresErrors.RejectionReason(exception) is { } refusal => (
                    StatusCodes.Status400BadRequest,
                    refusal
                ),
                _ when PostgresErrors.IsTransient(exception) => (
                    StatusCodes.Status503ServiceUnavailable,
                    HttpMethods.IsGet(http.Request.Method) ? "PostgreSQL does not answer. Ask again." : OutcomeUnknown
                ),
                OperationCanceledException when http.RequestAborted.IsCancellationRequested => (
                    499,
                    "The client went away."
                ),
                _ => (StatusCodes.Status500InternalServerError, "Something went wrong here; the log says what."),
            };

            if (status >= 500)
                log.LogError(exception, "{Method} {Path} failed.", http.Request.Method, http.Request.Path);
            if (status == StatusCodes.Status503ServiceUnavailable)
                http.Response.Headers.RetryAfter = "5";

            if (status == StatusCodes.Status413PayloadTooLarge)
                http.Response.Headers.Connection = "close";

            http.Response.StatusCode = status;
            return await problems.TryWriteAsync(
                new() { HttpContext = http, ProblemDetails = { Status = status, Detail = detail } }
            );
        }
    }
}
