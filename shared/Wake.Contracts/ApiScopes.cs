namespace Wake.Contracts;

/// <summary>What a key of the API may do.</summary>
public static class ApiScopes
{
    /// <summary>Publish events, and replay them.</summary>
    public const string EventsWrite = "events:write";

    /// <summary>Read sessions, watches, routes, questions, the ledger, costs: everything but keys and
    /// transcripts.</summary>
    public const string SessionsRead = "sessions:read";

    /// <summary>Read what was said in turns: their transcripts.</summary>
    public const string TranscriptsRead = "transcripts:read";

    /// <summary>Register, wake and close sessions; make and end watches and routes.</summary>
    public const string SessionsWrite = "sessions:write";

    /// <summary>Answer what sessions ask.</summary>
    public const string QuestionsAnswer = "questions:answer";

    /// <summary>
    /// Name the person for whom a call is made, who then stands in the ledger: for a program that people log in to,
    /// beside the scopes of what they may do.
    /// </summary>
    public const string PeopleName = "people:name";

    /// <summary>All of it, and the keys.</summary>
    public const string Admin = "admin";

    /// <summary>Every scope there is.</summary>
    public static IReadOnlyList<string> All { get; } =
    [EventsWrite, SessionsRead, TranscriptsRead, SessionsWrite, QuestionsAnswer, PeopleName, Admin];
}
