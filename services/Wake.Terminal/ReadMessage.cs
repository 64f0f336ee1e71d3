using System.Text;

namespace Wake.Terminal;

/// <summary>
/// Whether the message of a wake stands in the transcript. Claude Code asks its hooks before it writes the message
/// down, and whoever presses Esc meanwhile has the text back in the input line, read by nobody (2.1.329).
/// </summary>
sealed class ReadMessage
{
    // What the block of events of every wake begins with; an id of its own follows.
    const string BlockStart = "<wake-events-";

    // The message may be written while this process starts.
    const int Before = 1024 * 1024;

    readonly string transcript;
    readonly byte[] tag;
    long position;

    ReadMessage(string transcript, string tag)
    {
        (this.transcript, this.tag) = (transcript, Encoding.ASCII.GetBytes(tag));
        position = Math.Max(0, Length() - Before);
    }

    /// <summary>Whether it was found.</summary>
    public bool IsThere { get; private set; }

    /// <summary>That of a prompt that the CLI has made from a wake; null for any other.</summary>
    public static ReadMessage? Of(HookInput input) =>
        input is { TranscriptPath: { } path, Prompt: { } prompt }
        && HookCommand.IsWake(prompt)
        && TagOf(prompt) is { } tag
            ? new(path, tag)
            : null;

    /// <summary>The name of the block of events in a message, which no other wake has; null where there is
    /// none.</summary>
    public static string? TagOf(string message) =>
        message.IndexOf(BlockStart, StringComparison.Ordinal) is >= 0 and var start
        && message.IndexOfAny([' ', '>'], start) is > 0 and var end
            // The name alone: JSON may write brackets and quotes otherwise.
            ? message[(start + 1)..end]
            : null;

    /// <summary>Looks through what the transcript has gained.</summary>
    public bool Look()
    {
        if (IsThere)
            return true;

        try
        {
            using var file = File.OpenRead(transcript);
            file.Position = Math.Min(position, file.Length);
            var buffer = new byte[64 * 1024];
            var kept = 0;
            while (!IsThere && file.Read(buffer, kept, buffer.Length - kept) is > 0 and var read)
            {
                IsThere = buffer.AsSpan(0, kept + read).IndexOf(tag) >= 0;

                // It may stand across two parts.
                var next = Math.Min(tag.Length - 1, kept + read);
                buffer.AsSpan(kept + read - next, next).CopyTo(buffer);
                kept = next;
            }

            position = Math.Max(0, file.Position - kept);
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            // It may not have been begun.
        }

        return IsThere;
    }

    long Length()
    {
        try
        {
            return new FileInfo(transcript).Length;
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
