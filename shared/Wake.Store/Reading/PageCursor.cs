using System.Buffers.Text;
using System.Text.Json;

namespace Wake.Store;

/// <summary>
/// Where a page has ended, as a text that says nothing to whoever passes it on: the last row's place in the order. What
/// is added or removed meanwhile moves no row from one page to another.
/// </summary>
/// <typeparam name="T">By what the list is ordered.</typeparam>
/// <param name="Order">The order, which a cursor of another does not fit.</param>
/// <param name="Value">By what the last row was ordered.</param>
/// <param name="Id">Tells it from others of the same value.</param>
sealed record PageCursor<T>(string Order, T Value, Guid Id)
{
    public override string ToString() => Base64Url.EncodeToString(JsonSerializer.SerializeToUtf8Bytes(this));

    /// <summary>The cursor in a text.</summary>
    /// <exception cref="PageCursorException">It is none of this order.</exception>
    public static PageCursor<T>? Parse(string? text, string order)
    {
        if (text is null)
            return null;

        try
        {
            if (
                JsonSerializer.Deserialize<PageCursor<T>>(Base64Url.DecodeFromChars(text)) is { Value: not null } cursor
                && cursor.Order == order
            )
                return cursor;
        }
        catch (Exception unreadable) when (unreadable is FormatException or JsonException)
        {
            // As good as one of another list.
        }

        throw new PageCursorException();
    }
}

/// <summary>A text is no cursor of this list in this order.</summary>
public sealed class PageCursorException() : Exception("It is no cursor of this list in this order.");

/// <summary>Part of a list.</summary>
/// <param name="Rows">The rows.</param>
/// <param name="Next">The cursor of the next part; null when there is none.</param>
public sealed record Page<T>(IReadOnlyList<T> Rows, string? Next);
