using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Http.Features;

namespace Wake.Gateway;

/// <summary>Reads bodies with a bound.</summary>
static class RequestBody
{
    /// <summary>The largest body, in bytes. A batch of the largest events is sent in parts.</summary>
    public const int MaxBytes = 8 * 1024 * 1024;

    // Larger bodies are read and thrown away up to here, because a client that is cut off while it sends does not see
    // the answer that says why.
    public const int MaxDrainedBytes = 64 * 1024 * 1024;

    /// <summary>
    /// A body that is larger than its endpoint takes is not read to its end, and then the server cuts the line. A
    /// client that is not told sends its next request there.
    /// </summary>
    public static void UseBodyLimits(this IApplicationBuilder app) =>
        app.Use(
            (http, next) =>
            {
                if (
                    http.Request.ContentLength > http.Features.Get<IHttpMaxRequestBodySizeFeature>()?.MaxRequestBodySize
                )
                    http.Response.Headers.Connection = "close";
                return next(http);
            }
        );

    public static IResult TooLarge() =>
        ProblemResults.Create(
            StatusCodes.Status413PayloadTooLarge,
            $"The body is larger than {MaxBytes / 1024 / 1024} MB."
        );

    /// <summary>The body in the server's own pooled memory, to be given back with AdvanceTo. Null: too large.</summary>
    public static async Task<ReadOnlySequence<byte>?> ReadBounded(PipeReader body, CancellationToken cancel)
    {
        for (var tooLarge = false; ; )
        {
            var read = await body.ReadAsync(cancel);
            tooLarge |= read.Buffer.Length > MaxBytes;

            if (read.IsCompleted && !tooLarge)
                return read.Buffer;

            body.AdvanceTo(tooLarge ? read.Buffer.End : read.Buffer.Start, read.Buffer.End);

            if (read.IsCompleted)
                return null;
        }
    }
}
