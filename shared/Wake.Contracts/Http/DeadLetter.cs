using System.Text.Json.Serialization;

namespace Wake.Contracts.Http;

/// <summary>A message that could not be handled, and lies aside in the broker.</summary>
/// <param name="Id">Names it. The same message has the same id whenever it lies there.</param>
/// <param name="Queue">The error queue in which it lies.</param>
/// <param name="Reason">Why it could not be handled.</param>
/// <param name="Body">What it says: its beginning. Untrusted.</param>
/// <param name="Seen">When it was first seen there.</param>
/// <param name="Wanted">What somebody wants done with it, which is done within seconds; null for nothing.</param>
public sealed record DeadLetter(
    string Id,
    string Queue,
    string Reason,
    string Body,
    DateTimeOffset Seen,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DeadLetterWish? Wanted = null
);

/// <summary>What can be done with a dead letter.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<DeadLetterWish>))]
public enum DeadLetterWish
{
    /// <summary>Send it again.</summary>
    Redrive,

    /// <summary>Take it away.</summary>
    Drop,
}

/// <summary>Which dead letters: those of the ids, or all that are listed.</summary>
/// <param name="Ids">Their ids. Either these or <c>all</c>.</param>
/// <param name="All">All of them.</param>
/// <param name="Trust">
/// Of those that are sent again: whether Wake answers for what they say, so that urgent events and events that name
/// sessions are taken in from a publisher who is not trusted. Needs the scope <c>admin</c>.
/// </param>
public sealed record DeadLetterSelection(IReadOnlyList<string>? Ids = null, bool All = false, bool Trust = false);

/// <summary>With how many dead letters it will be done.</summary>
/// <param name="Count">How many.</param>
public sealed record DeadLetterCount(int Count);
