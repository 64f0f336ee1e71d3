using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using Wake.Contracts.Http;

namespace Wake.Terminal;

/// <summary>
/// Sends what the transcript of the session has gained to Wake, so that another machine can go on with it when this one
/// is closed. Of a file of rows only whole ones are sent: the last one may be being written.
/// </summary>
sealed class TranscriptUpload(TerminalClient client, string terminal, Guid session, string? transcript) : IDisposable
{
    // What one request carries.
    const int MaxChunk = 4 * 1024 * 1024;

    // While nothing is under way files are looked for less often: subagents have no turns of their own.
    const int IdleLooks = 10;

    const int MaxConflictDelay = 64;

    static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(60);

    readonly TranscriptFiles files = new(session, transcript);
    readonly Dictionary<string, SentFile> sent = [];
    bool isKnown;
    int looks,
        skip,
        conflicts;

    /// <summary>Sends what has not been sent. What cannot be sent now is sent the next time.</summary>
    /// <param name="isActive">Whether a turn may be under way.</param>
    /// <param name="cancel">Ends it.</param>
    public async Task SendAppended(bool isActive, CancellationToken cancel)
    {
        if (skip-- > 0 || looks++ % IdleLooks != 0 && !isActive && !files.MainHasChanged)
            return;

        skip = 0;
        try
        {
            if (!isKnown && !await AskWhatIsStored(cancel))
                return;

            foreach (var (path, file) in files.List())
            {
                if (!await SendFile(path, file, cancel))
                {
                    // What is stored is another, or unknown since an answer was lost. Asked again, less and less often.
                    Forget();
                    skip = Math.Min(1 << conflicts++, MaxConflictDelay);
                    return;
                }
            }

            conflicts = 0;
        }
        catch (Exception failed)
            when (failed is UnauthorizedAccessException || TerminalClient.IsBroken(failed, CancellationToken.None))
        {
            Forget();
        }
    }

    public void Dispose() => Forget();

    void Forget()
    {
        isKnown = false;
        foreach (var file in sent.Values)
            file.ForgetHash();
    }

    async Task<bool> AskWhatIsStored(CancellationToken cancel)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        bound.CancelAfter(RequestTimeout);
        using var answer = await client.Send(HttpMethod.Get, "transcript", null, bound.Token);
        if (answer is not { IsSuccessStatusCode: true })
            return false;

        var stored = await System.Text.Json.JsonSerializer.DeserializeAsync(
            await answer.Content.ReadAsStreamAsync(bound.Token),
            TerminalJson.Default.StoredTranscriptFileArray,
            bound.Token
        );
        foreach (var file in sent.Values)
            file.Stored = null;
        foreach (var file in stored ?? [])
            Known(file.Path).Stored = file;
        return isKnown = true;
    }

    SentFile Known(string path) => sent.TryGetValue(path, out var known) ? known : sent[path] = new();

    // False: what is stored is not what was sent.
    async Task<bool> SendFile(string path, FileInfo info, CancellationToken cancel)
    {
        var known = Known(path);
        if (!info.Exists || known.IsRefused || known.IsUnchanged(info))
            return true;

        await using var content = TranscriptFiles.OpenShared(info.FullName);
        var length = content.Length;
        if (known.Hash is null && !known.Compare(content, length))
            return true;
        if (length < known.Bytes)
            return false;

        var isRows = TranscriptFiles.IsRows(path);
        while (true)
        {
            var from = known.Bytes;
            var end = isRows ? EndOfRows(content, from, length) : Math.Min(from + MaxChunk, length);
            if (end == from)
                break;

            known.Read(content, end, isRows);
            switch (await Post(path, info.FullName, from, end, known, isRows, cancel))
            {
                case HttpStatusCode.NoContent:
                    break;
                case HttpStatusCode.BadRequest or HttpStatusCode.RequestEntityTooLarge:
                    known.IsRefused = true;
                    return true;
                default:
                    return false;
            }
        }

        known.MarkSeen(info);
        return true;
    }

    async Task<HttpStatusCode?> Post(
        string path,
        string file,
        long from,
        long end,
        SentFile known,
        bool isRows,
        CancellationToken cancel
    )
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        bound.CancelAfter(RequestTimeout);
        var query = string.Create(
            CultureInfo.InvariantCulture,
            $"terminal={Uri.EscapeDataString(terminal)}&path={Uri.EscapeDataString(path)}&stored={from}&bytes={end}"
                + $"&rows={(isRows ? known.Rows : 0)}&sha256={known.Sha256}"
        );
        using var answer = await client.Send(
            HttpMethod.Post,
            $"transcript?{query}",
            new FileSection(file, from, end),
            bound.Token
        );
        return answer?.StatusCode;
    }

    // The end of the last whole row that one request can carry; of a longer row its own end, which Wake may refuse.
    static long EndOfRows(FileStream content, long from, long length)
    {
        var buffer = new byte[SentFile.BlockSize];
        long end = from;
        for (var at = from; at < length; )
        {
            content.Position = at;
            var read = content.Read(buffer, 0, (int)Math.Min(buffer.Length, length - at));
            if (read == 0)
                break;

            var block = buffer.AsSpan(0, read);
            var withinLimit = block[..(int)Math.Clamp(from + MaxChunk - at, 0, read)];
            if (withinLimit.LastIndexOf((byte)'\n') is >= 0 and var last)
                end = at + last + 1;
            if (at + read >= from + MaxChunk)
            {
                if (end > from)
                    break;
                if (block.IndexOf((byte)'\n') is >= 0 and var first)
                    return at + first + 1;
            }

            at += read;
        }

        return end;
    }

    /// <summary>Part of a file as the body of a request.</summary>
    sealed class FileSection(string file, long from, long end) : HttpContent
    {
        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
            SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override async Task SerializeToStreamAsync(
            Stream stream,
            TransportContext? context,
            CancellationToken cancellationToken
        )
        {
            await using var content = TranscriptFiles.OpenShared(file);
            content.Position = from;
            var buffer = new byte[SentFile.BlockSize];
            for (var left = end - from; left > 0; )
            {
                var read = await content.ReadAsync(
                    buffer.AsMemory(0, (int)Math.Min(buffer.Length, left)),
                    cancellationToken
                );
                if (read == 0)
                    throw new IOException("The file became shorter while it was sent.");

                await stream.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
                left -= read;
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = end - from;
            return true;
        }
    }
}

/// <summary>What has been sent of a file.</summary>
sealed class SentFile
{
    /// <summary>What is read at once.</summary>
    public const int BlockSize = 64 * 1024;

    (long Length, DateTime Written) seen;
    long? firstLength;

    /// <summary>As it is stored; null when it is not.</summary>
    public StoredTranscriptFile? Stored { get; set; }

    /// <summary>Whether Wake does not take it.</summary>
    public bool IsRefused { get; set; }

    /// <summary>Of the bytes that were sent; null when that has to be found out.</summary>
    public IncrementalHash? Hash { get; private set; }

    public long Bytes { get; private set; }

    public int Rows { get; private set; }

    public string Sha256 => Convert.ToHexStringLower(Hash!.GetCurrentHash());

    public bool IsUnchanged(FileInfo now) => Hash is not null && seen == (now.Length, now.LastWriteTimeUtc);

    public void MarkSeen(FileInfo then) => seen = (then.Length, then.LastWriteTimeUtc);

    public void ForgetHash()
    {
        Hash?.Dispose();
        Hash = null;
        seen = default;
    }

    /// <summary>
    /// Finds out whether the file begins with what is stored; if not it is sent from its beginning, in the place of
    /// that. False: it has less than is stored and nothing was added since. A session that went on elsewhere is not
    /// replaced by an old copy that somebody only looks at.
    /// </summary>
    public bool Compare(FileStream content, long length)
    {
        firstLength ??= length;
        if (Stored is { } stored && length < stored.Bytes && length == firstLength)
            return false;

        Reset();
        if (Stored is { Bytes: > 0 } compared && length >= compared.Bytes)
        {
            Read(content, compared.Bytes, countRows: true);
            if (!Sha256.Equals(compared.Sha256, StringComparison.OrdinalIgnoreCase))
                Reset();
        }

        return true;
    }

    /// <summary>Reads on, as if that had been sent.</summary>
    public void Read(FileStream content, long end, bool countRows)
    {
        var buffer = new byte[BlockSize];
        content.Position = Bytes;
        while (Bytes < end)
        {
            var read = content.Read(buffer, 0, (int)Math.Min(buffer.Length, end - Bytes));
            if (read == 0)
                throw new IOException("The file became shorter while it was read.");

            Hash!.AppendData(buffer, 0, read);
            if (countRows)
                Rows += buffer.AsSpan(0, read).Count((byte)'\n');
            Bytes += read;
        }
    }

    void Reset()
    {
        Hash?.Dispose();
        Hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        (Bytes, Rows) = (0, 0);
    }
}
