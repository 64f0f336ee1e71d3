using System.Buffers;

namespace Wake.Contracts;

/// <summary>
/// The three bytes that editors and shells of Windows put before UTF-8. JSON must not begin with them and readers may
/// skip them (RFC 8259, section 8.1).
/// </summary>
public static class ByteOrderMark
{
    static ReadOnlySpan<byte> Mark => [0xEF, 0xBB, 0xBF];

    /// <summary>What follows it, or all where there is none.</summary>
    public static ReadOnlySpan<byte> Skip(ReadOnlySpan<byte> text) =>
        text.StartsWith(Mark) ? text[Mark.Length..] : text;

    /// <inheritdoc cref="Skip(ReadOnlySpan{byte})" />
    public static ReadOnlyMemory<byte> Skip(ReadOnlyMemory<byte> text) =>
        text.Span.StartsWith(Mark) ? text[Mark.Length..] : text;

    /// <inheritdoc cref="Skip(ReadOnlySpan{byte})" />
    public static ReadOnlySequence<byte> Skip(ReadOnlySequence<byte> text)
    {
        if (text.Length < Mark.Length)
            return text;

        Span<byte> first = stackalloc byte[Mark.Length];
        text.Slice(0, Mark.Length).CopyTo(first);
        return first.SequenceEqual(Mark) ? text.Slice(Mark.Length) : text;
    }
}
