using System.CommandLine;
using System.Net;
using System.Text.Json.Nodes;
using Wake.Store;

namespace Wake.Cli;

/// <summary><c>wake sessions</c>: lists, shows, adds and closes them.</summary>
sealed class SessionsCommand : ClientCommand
{
    const int Limit = 1000;

    readonly Option<string?> after = new("--after") { HelpName = "KEY", Description = "Only those whose keys come after this one." };

    public SessionsCommand() : base("sessions",
        $"""
        Lists the open sessions by key, up to {Limit}.

        Example: wake sessions
        Example: wake sessions show implementer
        """)
    {
        Add(after);
        Add(new ShowSessionCommand());
        Add(new AddSessionCommand());
        Add(new CloseSessionCommand());
    }

    /// <summary>The address of a session.</summary>
    public static string Path(string key) => $"/v1/sessions/{WakeClient.Segment(key)}";

    protected override async Task<int> Run(ParseResult given, WakeClient wake, Output output, CancellationToken cancel)
    {
        var from = given.GetValue(after) is { } key ? $"&after={WakeClient.Segment(key)}" : "";
        var answer = (await wake.Get($"/v1/sessions?limit={Limit}{from}", cancel)).Expected();
        if (output.Json)
        {
            output.Raw(answer.Body);
            return 0;
        }

        var sessions = answer.Read(CliJson.Default.SessionArray);
        output.Table(["KEY", "STATE", "INBOX", "LAST TURN", "PROFILE", "WORKSPACE"], sessions.Select(x => (string?[])
            [x.Key, Output.Word(x.State), $"{x.Inbox}", LastTurn(x), x.Profile, x.Workspace]));

        if (sessions is [])
            Output.Note("There are no open sessions.");
        if (sessions.Length == Limit)
            Output.Note($"There may be more: wake sessions --after={sessions[^1].Key}");
        return 0;
    }

    static string LastTurn(Session session) => session.LastTurn is { } turn
        ? $"{turn.Number} {(turn.Outcome is { } outcome ? Output.Word(outcome) : Output.Word(turn.State))}" : "";
}

/// <summary><c>wake sessions show</c>.</summary>
sealed class ShowSessionCommand : ClientCommand
{
    readonly Argument<string> key = new("KEY") { Description = "The session's key." };

    public ShowSessionCommand() : base("show",
        """
        Shows one session.

        Example: wake sessions show implementer
        """) => Add(key);

    protected override async Task<int> Run(ParseResult given, WakeClient wake, Output output, CancellationToken cancel)
    {
        var answer = (await wake.Get(SessionsCommand.Path(given.GetRequiredValue(key)), cancel)).Expected();
        if (output.Json)
            output.Raw(answer.Body);
        else
            output.Table([], Facts(answer.Read(CliJson.Default.Session)));
        return 0;
    }

    /// <summary>What there is to say about a session, each with its name.</summary>
    public static IEnumerable<string?[]> Facts(Session session)
    {
        yield return ["session", session.Key];
        yield return ["state", Output.Word(session.State)];
        yield return ["workspace", session.Workspace];
        yield return ["profile", session.Profile];
        yield return ["inbox", $"{session.Inbox}"];
        yield return ["created", Times.Shown(session.Created)];
        if (session.Closed is { } closed)
            yield return ["closed", Times.Shown(closed)];
        if (session.ClaudeSessionId is { } id)
            yield return ["Claude session", $"{id}"];
        if (session.LastTurn is { } turn)
            yield return ["last turn", InWords(turn)];
    }

    /// <summary>A turn in a line.</summary>
    public static string InWords(Turn turn)
    {
        var end = turn.Outcome is { } outcome ? $"{Output.Word(outcome)}, {turn.DurationMs / 1000.0:0.0} s, ${turn.CostUsd:0.####}" : Output.Word(turn.State);
        var note = turn.Note is { } text ? $" ({text})" : "";
        return $"{turn.Number} {end}{note}{(turn.Reasons is [] ? "" : $": {string.Join(" | ", turn.Reasons)}")}";
    }
}

/// <summary><c>wake sessions add</c>.</summary>
sealed class AddSessionCommand : ClientCommand
{
    readonly Argument<string> key = new("KEY") { Description = "Your name for it; unique among the open ones." };

    readonly Option<string> workspace = new("--workspace")
    {
        HelpName = "DIR",
        Required = true,
        Description = "The directory it works in.",
    };

    readonly Option<string?> claudeSession = new("--claude-session")
    {
        HelpName = "UUID",
        Description = "A Claude session to go on with. Default: its first wake begins one.",
    };

    readonly Option<string?> profile = new("--profile") { HelpName = "NAME", Description = "The name of its profile. Default: default." };

    public AddSessionCommand() : base("add",
        """
        Registers a session. Doing so again with the same values is no mistake.

        Example: wake sessions add implementer --workspace ~/src/hello
        """)
    {
        Add(key);
        Add(workspace);
        Add(claudeSession);
        Add(profile);
    }

    protected override async Task<int> Run(ParseResult given, WakeClient wake, Output output, CancellationToken cancel)
    {
        var directory = given.GetRequiredValue(workspace);
        var body = new JsonObject
        {
            ["key"] = given.GetRequiredValue(key),
            ["workspace"] = directory.Length == 0 ? directory : System.IO.Path.GetFullPath(directory),
        };
        if (given.GetValue(claudeSession) is { } id)
            body["claudeSessionId"] = id;
        if (given.GetValue(profile) is { } name)
            body["profile"] = name;

        var answer = (await wake.Post("/v1/sessions", body, cancel)).Expected();
        if (output.Json)
        {
            output.Raw(answer.Body);
            return 0;
        }

        var session = answer.Read(CliJson.Default.Session);
        output.Line($"{(answer.Status is HttpStatusCode.Created ? "Registered" : "Registered before")}: {session.Key}, which works in {session.Workspace}");
        return 0;
    }
}

/// <summary><c>wake sessions close</c>.</summary>
sealed class CloseSessionCommand : ClientCommand
{
    readonly Argument<string> key = new("KEY") { Description = "The session's key." };

    public CloseSessionCommand() : base("close",
        """
        Closes a session: no more turns, no more watches. A turn that runs may finish.

        Example: wake sessions close implementer
        """) => Add(key);

    protected override async Task<int> Run(ParseResult given, WakeClient wake, Output output, CancellationToken cancel)
    {
        var answer = (await wake.Delete(SessionsCommand.Path(given.GetRequiredValue(key)), cancel)).Expected();
        if (output.Json)
            output.Raw(answer.Body);
        else
            output.Line($"Closed: {given.GetRequiredValue(key)}");
        return 0;
    }
}
