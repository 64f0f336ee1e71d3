namespace Wake.WebConsole.Components;

/// <summary>The addresses of the pages, relative to the console's root. They are in people's notes and do not
/// change.</summary>
public static class Links
{
    /// <summary>A session, and a turn of it.</summary>
    public static string Session(string key, int? turn = null) =>
        $"sessions/{Uri.EscapeDataString(key)}{(turn is null ? "" : $"#turn-{turn}")}";

    /// <summary>What was said in a turn.</summary>
    public static string Turn(string key, int turn) => $"turns/{turn}/{Uri.EscapeDataString(key)}";

    /// <summary>The page of an event; its source tells it from others of the same id.</summary>
    public static string Event(string id, string? source = null) =>
        $"events/{Uri.EscapeDataString(id)}{(source is null ? "" : $"?source={Uri.EscapeDataString(source)}")}";

    /// <summary>The page of a question, open or settled.</summary>
    public static string Question(Guid id) => $"questions/{id}";
}
