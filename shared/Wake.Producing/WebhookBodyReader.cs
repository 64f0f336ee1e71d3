using Microsoft.AspNetCore.Http;

namespace Wake.Producing;

/// <summary>Reads the bodies of deliveries with a bound on each and on all of them together.</summary>
sealed class WebhookBodyReader
{
    /// <summary>GitHub waits ten seconds for its answer, GitLab too: what is not here by then nobody waits
    /// for.</summary>
    static readonly TimeSpan ReadTimeout = TimeSpan.FromSeconds(10);

    // Deliveries of usual size always get in; ten of the largest, at most, are here at the same time.
    const int UnmeteredBytes = 256 * 1024;
    const long MaxBufferedBytes = 256 * 1024 * 1024;

    long held;

    /// <summary>The body, until it is disposed.</summary>
    public async Task<WebhookBody> Read(HttpRequest request, int limit, CancellationToken cancel)
    {
        if (request.ContentLength > limit)
            return new WebhookBody.Rejected(
                StatusCodes.Status413PayloadTooLarge,
                $"The body is larger than {limit / 1024} KB."
            );

        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        bound.CancelAfter(ReadTimeout);
        var whole = new WebhookBody.Complete(
            this,
            (int)Math.Min(request.ContentLength ?? UnmeteredBytes, UnmeteredBytes)
        );
        try
        {
            for (; ; )
            {
                if (whole.Length == limit + 1)
                    return Reject(
                        whole,
                        StatusCodes.Status413PayloadTooLarge,
                        $"The body is larger than {limit / 1024} KB."
                    );
                if (!whole.TryGrow(limit + 1))
                    return Reject(
                        whole,
                        StatusCodes.Status503ServiceUnavailable,
                        "Too many large deliveries at once. Send it again."
                    );
                if (await request.Body.ReadAsync(whole.Free, bound.Token) is not (> 0 and var read))
                    return whole;
                whole.Length += read;
            }
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return Reject(
                whole,
                StatusCodes.Status408RequestTimeout,
                $"The body did not arrive within {ReadTimeout.TotalSeconds:0} s."
            );
        }
        catch
        {
            whole.Dispose();
            throw;
        }
    }

    static WebhookBody.Rejected Reject(WebhookBody.Complete whole, int status, string why)
    {
        whole.Dispose();
        return new(status, why);
    }

    bool TryReserve(int bytes)
    {
        if (bytes <= UnmeteredBytes || Interlocked.Add(ref held, bytes) <= MaxBufferedBytes)
            return true;

        Interlocked.Add(ref held, -bytes);
        return false;
    }

    void ReleaseReserved(int bytes)
    {
        if (bytes > UnmeteredBytes)
            Interlocked.Add(ref held, -bytes);
    }

    /// <summary>What came of reading.</summary>
    public abstract record WebhookBody
    {
        /// <summary>It is too large, too slow or one too many.</summary>
        public sealed record Rejected(int Status, string Why) : WebhookBody;

        public sealed record Complete(WebhookBodyReader Owner, int InitialCapacity) : WebhookBody, IDisposable
        {
            byte[] buffer = new byte[Math.Max(InitialCapacity, 1)];

            public int Length { get; set; }

            public ReadOnlyMemory<byte> Bytes => buffer.AsMemory(0, Length);

            public Memory<byte> Free => buffer.AsMemory(Length);

            public bool TryGrow(int limit)
            {
                if (Length < buffer.Length)
                    return true;

                var larger = (int)Math.Min(buffer.Length * 2L, limit);
                if (!Owner.TryReserve(larger))
                    return false;

                Owner.ReleaseReserved(buffer.Length);
                Array.Resize(ref buffer, larger);
                return true;
            }

            public void Dispose()
            {
                Owner.ReleaseReserved(buffer.Length);
                buffer = [];
            }
        }
    }
}
