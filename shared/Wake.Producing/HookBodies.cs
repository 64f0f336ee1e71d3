using Microsoft.AspNetCore.Http;

namespace Wake.Producing;

/// <summary>Reads the bodies of deliveries with a bound on each and on all of them together.</summary>
sealed class HookBodies
{
    /// <summary>GitHub waits ten seconds for its answer, GitLab too: what is not here by then nobody waits
    /// for.</summary>
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    // Deliveries of usual size always get in; ten of the largest, at most, are here at the same time.
    const int Usual = 256 * 1024;
    const long MaxHeld = 256 * 1024 * 1024;

    long held;

    /// <summary>The body, until it is disposed.</summary>
    public async Task<HookBody> Read(HttpRequest request, int limit, CancellationToken cancel)
    {
        if (request.ContentLength > limit)
            return new HookBody.Refused(
                StatusCodes.Status413PayloadTooLarge,
                $"The body is larger than {limit / 1024} KB."
            );

        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        bound.CancelAfter(Patience);
        var whole = new HookBody.Whole(this, (int)Math.Min(request.ContentLength ?? Usual, Usual));
        try
        {
            for (; ; )
            {
                if (whole.Length == limit + 1)
                    return Refuse(
                        whole,
                        StatusCodes.Status413PayloadTooLarge,
                        $"The body is larger than {limit / 1024} KB."
                    );
                if (!whole.TryGrow(limit + 1))
                    return Refuse(
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
            return Refuse(
                whole,
                StatusCodes.Status408RequestTimeout,
                $"The body did not arrive within {Patience.TotalSeconds:0} s."
            );
        }
        catch
        {
            whole.Dispose();
            throw;
        }
    }

    static HookBody.Refused Refuse(HookBody.Whole whole, int status, string why)
    {
        whole.Dispose();
        return new(status, why);
    }

    bool TryHold(int bytes)
    {
        if (bytes <= Usual || Interlocked.Add(ref held, bytes) <= MaxHeld)
            return true;

        Interlocked.Add(ref held, -bytes);
        return false;
    }

    void Give(int bytes)
    {
        if (bytes > Usual)
            Interlocked.Add(ref held, -bytes);
    }

    /// <summary>What came of reading.</summary>
    public abstract record HookBody
    {
        /// <summary>It is too large, too slow or one too many.</summary>
        public sealed record Refused(int Status, string Why) : HookBody;

        /// <summary>All of it.</summary>
        public sealed record Whole(HookBodies Owner, int First) : HookBody, IDisposable
        {
            byte[] buffer = new byte[Math.Max(First, 1)];

            public int Length { get; set; }

            public ReadOnlyMemory<byte> Bytes => buffer.AsMemory(0, Length);

            public Memory<byte> Free => buffer.AsMemory(Length);

            public bool TryGrow(int limit)
            {
                if (Length < buffer.Length)
                    return true;

                var larger = (int)Math.Min(buffer.Length * 2L, limit);
                if (!Owner.TryHold(larger))
                    return false;

                Owner.Give(buffer.Length);
                Array.Resize(ref buffer, larger);
                return true;
            }

            public void Dispose()
            {
                Owner.Give(buffer.Length);
                buffer = [];
            }
        }
    }
}
