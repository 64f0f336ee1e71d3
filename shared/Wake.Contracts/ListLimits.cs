namespace Wake.Contracts;

/// <summary>The bounds of the API's lists.</summary>
public static class ListLimits
{
    /// <summary>The most rows of one page.</summary>
    public const int MaxRows = 1000;
}
