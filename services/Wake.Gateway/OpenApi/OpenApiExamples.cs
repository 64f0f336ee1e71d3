using System.Text.Json.Nodes;

namespace Wake.Gateway;

/// <summary>An example of each request that has a body, and of its answer.</summary>
static class OpenApiExamples
{
    static readonly Dictionary<string, (string Request, string Status, string Answer)> ByOperation = new()
    {
        [DryRunOperation] = (
            """
            {"id": "4711", "source": "ci.example.com", "type": "build.failed", "subject": "github:octo-org/hello#972",
             "dedupKey": "hello/972/failed", "reason": "The build of #972 failed: 3 tests", "data": {"log": "https://ci.example.com/4711"}}
            """,
            "202",
            """{"id": "4711", "outcome": "routed", "sessions": ["implementer"]}"""
        ),
        ["CreateSession"] = (
            """{"key": "implementer", "workspace": "/srv/wake/hello", "profile": "default"}""",
            "201",
            """
            {"key": "implementer", "state": "idle", "workspace": "/srv/wake/hello", "profile": "default",
             "created": "2031-02-03T04:05:06Z"}
            """
        ),
        ["WakeSession"] = (
            """{"reason": "PR #972 merged"}""",
            "202",
            """{"id": "01234567-89ab-7def-8123-456789abcdef", "outcome": "routed", "sessions": ["implementer"]}"""
        ),
        ["BatchSessions"] = (
            """{"action": "close", "filter": {"state": "idle", "profile": "default"}, "dryRun": true}""",
            "200",
            """{"dryRun": true, "sessions": ["implementer"]}"""
        ),
        ["RedriveDeadLetters"] = ("""{"ids": ["0123456789abcdef0123456789abcdef"]}""", "202", """{"count": 1}"""),
        ["DropDeadLetters"] = ("""{"all": true}""", "202", """{"count": 1}"""),
        ["ReplayEvent"] = (
            """{"reason": "The build of #972 failed: 3 tests", "data": {"log": "https://ci.example.com/4711"}}""",
            "202",
            """{"id": "01234567-89ab-7def-8123-456789abcdef", "outcome": "routed", "sessions": ["implementer"]}"""
        ),
        ["ScheduleWake"] = (
            """{"reason": "Look whether the deployment holds", "at": "2031-02-03T04:05:06Z"}""",
            "202",
            """
            {"id": "01234567-89ab-7def-8123-456789abcdef", "session": "implementer", "reason": "Look whether the deployment holds",
             "at": "2031-02-03T04:05:06+00:00"}
            """
        ),
        ["CreateWatch"] = (
            """
            {"session": "implementer", "subject": "github:octo-org/hello#972", "types": ["github.ci.*"],
             "where": ["data.conclusion = failure"], "until": ["github.pull_request.merged"], "intent": "then mend it"}
            """,
            "201",
            """
            {"id": "01234567-89ab-7def-8123-456789abcdef", "session": "implementer", "subject": "github:octo-org/hello#972",
             "types": ["github.ci.*"], "intent": "then mend it", "created": "2031-02-03T04:05:06Z", "found": 0, "ended": false}
            """
        ),
        ["PutRoute"] = (
            """
            {"types": ["github.issue.assigned"], "session": "implementer@{subject}", "workspace": "/srv/wake/{session}",
             "fullPrompt": "Implement what this issue asks for.", "onEnd": "close", "closeAfterSeconds": 3600}
            """,
            "200",
            """
            {"name": "assigned", "configured": false, "types": ["github.issue.assigned"], "session": "implementer@{subject}",
             "workspace": "/srv/wake/{session}", "fullPrompt": "Implement what this issue asks for.", "onEnd": "close",
             "closeAfterSeconds": 3600}
            """
        ),
        ["ResetSession"] = ("""{"interrupt": false}""", "200", """{"reset": true, "interrupted": false}"""),
        ["PauseSessions"] = (
            """{"scope": "session", "name": "implementer", "until": "2031-02-03T04:05:06Z", "reason": "The database is being moved"}""",
            "201",
            """
            {"id": "01234567-89ab-7def-8123-456789abcdef", "scope": "session", "name": "implementer", "until": "2031-02-03T04:05:06+00:00",
             "interrupt": false, "reason": "The database is being moved", "created": "2031-02-02T04:05:06Z", "sessions": 1, "running": 0}
            """
        ),
        ["AnswerQuestion"] = (
            """{"answers": {"Which database?": "PostgreSQL"}}""",
            "200",
            """{"id": "01234567-89ab-7def-8123-456789abcdef", "session": "implementer", "outcome": "answered"}"""
        ),
        ["TellHook"] = (
            """
            {"terminal": "laptop:1b2c:4711:98765", "processId": 4711, "host": "laptop", "event": "SessionStart",
             "workspace": "/srv/wake/hello", "source": "resume", "register": true}
            """,
            "200",
            """{"message": "Wake took one turn while you were away: wake 7, completed: PR #972 merged. More: wake inbox"}"""
        ),
        ["WaitForWake"] = (
            """
            {"terminal": "laptop:1b2c:4711:98765", "processId": 4711, "host": "laptop",
             "waiter": "01234567-89ab-7def-8123-456789abcdef", "idle": true}
            """,
            "200",
            """{"type": "ping"}"""
        ),
        ["AcknowledgeWake"] = (
            """
            {"terminal": "laptop:1b2c:4711:98765", "waiter": "01234567-89ab-7def-8123-456789abcdef", "wakeNumber": 8,
             "epoch": 1923456789012345}
            """,
            "204",
            "{}"
        ),
        ["TellTerminalState"] = (
            """
            {"terminal": "laptop:1b2c:4711:98765", "waiter": "01234567-89ab-7def-8123-456789abcdef", "idle": true}
            """,
            "204",
            "{}"
        ),
        ["CreateKey"] = (
            """{"name": "build server", "scopes": ["events:write"]}""",
            "201",
            """
            {"id": "01234567-89ab-7def-8123-456789abcdef", "name": "build server", "scopes": ["events:write"],
             "key": "wake_EXAMPLE"}
            """
        ),
        ["RotateKey"] = (
            """{"overlapSeconds": 86400}""",
            "201",
            """
            {"id": "01234567-89ab-7def-8123-456789abcdef", "name": "build server", "scopes": ["events:write"],
             "key": "wake_EXAMPLE"}
            """
        ),
    };

    /// <summary>The operation that can be tried without doing it.</summary>
    public const string DryRunOperation = "AcceptEvents";

    /// <summary>What it answers then.</summary>
    public static JsonNode DryRunAnswer =>
        JsonNode.Parse(
            """
            {"id": "4711", "outcome": "routed", "sessions": [
             {"session": "implementer", "wakes": true, "begins": false, "watch": "01234567-89ab-7def-8123-456789abcdef",
              "intent": "then mend it", "prompt": "delta", "text": "Something happened outside while this session was idle: ..."}]}
            """
        )!;

    /// <summary>The example of an operation: the body sent, the status and the body of the answer.</summary>
    public static (JsonNode Request, string Status, JsonNode Answer)? ForOperation(string? operation) =>
        ByOperation.TryGetValue(operation ?? "", out var example)
            ? (JsonNode.Parse(example.Request)!, example.Status, JsonNode.Parse(example.Answer)!)
            : null;
}
