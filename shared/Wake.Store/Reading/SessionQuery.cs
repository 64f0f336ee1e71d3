using System.Diagnostics.CodeAnalysis;

namespace Wake.Store;

/// <summary>Which sessions are listed, and in which order. What is null does not limit them.</summary>
public sealed record SessionQuery
{
    /// <summary>What they are doing.</summary>
    public SessionState? State { get; init; }

    /// <summary>The name of their profile.</summary>
    public string? Profile { get; init; }

    /// <summary>A subject that one of their watches matches.</summary>
    public string? Subject { get; init; }

    /// <summary>The directory that they work in, or one above it.</summary>
    public string? Workspace { get; init; }

    /// <summary>Closed ones rather than open ones.</summary>
    public bool Closed { get; init; }

    /// <summary>A text in their key or workspace, or in the subject or intent of one of their watches, in any
    /// case.</summary>
    public string? Text { get; init; }

    /// <summary>Among which they are; unknown ones are passed over.</summary>
    public IReadOnlyList<string>? Keys { get; init; }

    /// <summary>Those whose keys come after this one.</summary>
    public string? AfterKey { get; init; }

    /// <summary>The order.</summary>
    public SessionOrder Order { get; init; } = new(SessionSort.Key, Descending: false);
}

/// <summary>An order of sessions.</summary>
/// <param name="By">By what.</param>
/// <param name="Descending">The greatest first.</param>
public sealed record SessionOrder(SessionSort By, bool Descending)
{
    /// <summary>The words that name an order.</summary>
    public static IEnumerable<string> Names => Enum.GetValues<SessionSort>().Select(x => x.ToCamelCase());

    /// <summary>An order as people write it: a word of <see cref="Names"/>, after a - for the greatest first.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out SessionOrder? order)
    {
        var word = text.StartsWith('-') ? text[1..] : text;
        order = Enum.GetValues<SessionSort>().Where(x => x.ToCamelCase() == word).Select(Create).FirstOrDefault();
        return order is not null;

        SessionOrder Create(SessionSort by) => new(by, word != text);
    }

    /// <inheritdoc />
    public override string ToString() => (Descending ? "-" : "") + By.ToCamelCase();
}

/// <summary>By what sessions can be ordered.</summary>
public enum SessionSort
{
    /// <summary>Their owners' names for them, byte by byte.</summary>
    Key,

    /// <summary>When they were registered.</summary>
    Created,

    /// <summary>When their newest turn ended, began, or was dispatched: the latest of these. Those without a turn come
    /// first.</summary>
    LastTurn,

    /// <summary>What their turns have cost.</summary>
    Cost,

    /// <summary>How many events wait.</summary>
    Inbox,
}
