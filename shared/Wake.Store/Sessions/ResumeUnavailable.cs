namespace Wake.Store;

/// <summary>Why a Claude session is not gone on with. In the ledger as <c>resumeUnavailable</c>.</summary>
/// <param name="Class">One of the classes below.</param>
/// <param name="Detail">Why, for people and for the fresh session.</param>
public sealed record ResumeUnavailable(string Class, string Detail)
{
    /// <summary>The CLI says that it has no such session.</summary>
    public const string NotResumable = "notResumable";

    /// <summary>Its transcript is not whole, and the store has no better one.</summary>
    public const string Damaged = "damaged";

    /// <summary>It was last used too long ago.</summary>
    public const string Stale = "stale";

    /// <summary>The API refuses what is in it.</summary>
    public const string Poisoned = "poisoned";

    /// <summary>Its profile wants a fresh one every time.</summary>
    public const string Policy = "policy";
}
