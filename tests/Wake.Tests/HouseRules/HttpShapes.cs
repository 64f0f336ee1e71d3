using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.Contracts.Http;
using Wake.Gateway;

namespace Wake.Tests.HouseRules;

/// <summary>
/// The JSON of each request and answer of the HTTP API, as text: a field that is renamed breaks every client. The texts
/// change only by addition (docs/http-api.md, Compatibility).
/// </summary>
public sealed class HttpShapes
{
    static readonly Guid Id = Guid.Parse("01234567-89ab-7def-8123-456789abcdef");
    static readonly Guid Other = Guid.Parse("fedcba98-7654-7321-8fed-cba987654321");
    static readonly DateTimeOffset Time = new(2031, 2, 3, 4, 5, 6, TimeSpan.Zero);

    static readonly TokenUsage Tokens = new(Input: 1, Output: 2, CacheRead: 3, CacheCreation: 4);

    static readonly Turn Turn = new(
        Number: 7,
        TurnState.Ended,
        TurnOutcome.LimitReached,
        Note: "n",
        Attempt: 2,
        Runner: "r",
        ClaudeSessionId: Id,
        DispatchedAt: Time,
        StartedAt: Time,
        EndedAt: Time,
        CostUsd: 0.25m,
        DurationMs: 1500,
        Tokens,
        Reasons: ["PR #972 merged"]
    )
    {
        Fresh = new(Left: Id, Begun: Other, Why: "w"),
    };

    const string TurnJson = """
        {"number":7,"state":"ended","outcome":"limitReached","note":"n","attempt":2,"runner":"r",
         "claudeSessionId":"01234567-89ab-7def-8123-456789abcdef","dispatchedAt":"2031-02-03T04:05:06+00:00",
         "startedAt":"2031-02-03T04:05:06+00:00","endedAt":"2031-02-03T04:05:06+00:00","costUsd":0.25,"durationMs":1500,
         "tokens":{"input":1,"output":2,"cacheRead":3,"cacheCreation":4},"reasons":["PR #972 merged"],
         "fresh":{"left":"01234567-89ab-7def-8123-456789abcdef","begun":"fedcba98-7654-7321-8fed-cba987654321","why":"w"}}
        """;

    static readonly Session Session = new(
        Key: "implementer",
        SessionState.WaitingForAnswer,
        Workspace: "/srv/wake/hello",
        Profile: "default",
        ClaudeSessionId: Id,
        ClaudeSessionIds: [Id],
        LastTurn: null,
        Inbox: 3,
        CostUsd: 1.5m,
        CostTodayUsd: 0.5m,
        Created: Time,
        Closed: Time,
        WaitsFor: Other
    )
    {
        Notice = "n",
        Paused = new([Id], null, "r"),
        ClosesAt = Time,
    };

    const string SessionJson = """
        {"key":"implementer","state":"waitingForAnswer","workspace":"/srv/wake/hello","profile":"default",
         "claudeSessionId":"01234567-89ab-7def-8123-456789abcdef",
         "claudeSessionIds":["01234567-89ab-7def-8123-456789abcdef"],"lastTurn":null,"inbox":3,"costUsd":1.5,
         "costTodayUsd":0.5,"created":"2031-02-03T04:05:06+00:00","closed":"2031-02-03T04:05:06+00:00",
         "waitsFor":"fedcba98-7654-7321-8fed-cba987654321","notice":"n",
         "paused":{"ids":["01234567-89ab-7def-8123-456789abcdef"],"until":null,"reason":"r"},
         "closesAt":"2031-02-03T04:05:06+00:00"}
        """;

    static readonly CiPolicy Ci = new()
    {
        RerunFirst = true,
        AttemptsPerCheck = 3,
        AttemptsPerPullRequest = 6,
        Escalate = true,
        AllPullRequests = true,
    };

    const string CiJson = """
        {"rerunFirst":true,"attemptsPerCheck":3,"attemptsPerPullRequest":6,"escalate":true,"allPullRequests":true}
        """;

    static readonly Watch Watch = new(
        Id,
        Session: "implementer",
        Subject: "github:octo-org/hello#972",
        Types: ["github.ci.*"],
        Where: ["data.conclusion = failure"],
        Until: ["github.pull_request.merged"],
        Once: true,
        Intent: "then deploy it",
        Expires: Time,
        Created: Time
    )
    {
        Ci = Ci,
        Report = ReportPolicy.Comment,
        ExpectBy = Time,
        Expectation = WatchExpectation.Silent,
        OnEnd = EndPolicy.Close,
        CloseAfterSeconds = 3600,
    };

    const string WatchFieldsJson = $$"""
        "id":"01234567-89ab-7def-8123-456789abcdef","session":"implementer","subject":"github:octo-org/hello#972",
        "types":["github.ci.*"],"where":["data.conclusion = failure"],"until":["github.pull_request.merged"],
        "once":true,"intent":"then deploy it","expires":"2031-02-03T04:05:06+00:00","created":"2031-02-03T04:05:06+00:00",
        "ci":{{CiJson}},"report":"comment","expectBy":"2031-02-03T04:05:06+00:00","expectation":"silent","onEnd":"close",
        "closeAfterSeconds":3600
        """;

    static readonly InboxEntry InboxEntry = new("implementer", Id, "assigned", "i", Time, 7, Turn)
    {
        Fact = new(FactAnswer.NoLonger, "r", Time),
    };

    const string FactJson = """{"answer":"noLonger","reason":"r","at":"2031-02-03T04:05:06+00:00"}""";

    const string InboxEntryJson = $$"""
        {"session":"implementer","watch":"01234567-89ab-7def-8123-456789abcdef","route":"assigned","intent":"i",
         "routedAt":"2031-02-03T04:05:06+00:00","wake":7,"turn":{{TurnJson}},"fact":{{FactJson}}}
        """;

    static readonly LedgerLine LedgerLine = new(Time, "routed", "4711", "implementer", 7, "n");

    const string LedgerLineJson = """
        {"at":"2031-02-03T04:05:06+00:00","what":"routed","event":"4711","session":"implementer","wake":7,"note":"n"}
        """;

    static readonly (object Value, string Json)[] Shapes =
    [
        (
            new NewSession("implementer", "/srv/wake/hello", "c", "default"),
            """{"key":"implementer","workspace":"/srv/wake/hello","claudeSessionId":"c","profile":"default"}"""
        ),
        (Session, SessionJson),
        (new ClosedSessions(["implementer"]), """{"sessions":["implementer"]}"""),
        (new ResetRequest(Interrupt: true), """{"interrupt":true}"""),
        (
            new ResetResult(Reset: true, Id, 7, Interrupted: true),
            """
            {"reset":true,"claudeSessionId":"01234567-89ab-7def-8123-456789abcdef","afterWake":7,"interrupted":true}
            """
        ),
        (
            new EventSummary(
                "4711",
                "ci",
                "build.failed",
                "build:hello",
                "The build failed",
                Delivery.Wake,
                Urgent: true,
                IntakeOutcome.Routed,
                SessionCount: 2,
                Time,
                Time,
                "octocat",
                "4710"
            ),
            """
            {"id":"4711","source":"ci","type":"build.failed","subject":"build:hello","reason":"The build failed",
             "delivery":"wake","urgent":true,"outcome":"routed","sessionCount":2,"acceptedAt":"2031-02-03T04:05:06+00:00",
             "time":"2031-02-03T04:05:06+00:00","actor":"octocat","replayOf":"4710"}
            """
        ),
        (Turn, TurnJson),
        (
            new FreshSession(Id, Other, "w"),
            """
            {"left":"01234567-89ab-7def-8123-456789abcdef","begun":"fedcba98-7654-7321-8fed-cba987654321","why":"w"}
            """
        ),
        (Tokens, """{"input":1,"output":2,"cacheRead":3,"cacheCreation":4}"""),
        (new WakeRequest("r", "k", Takeover: true), """{"reason":"r","dedupKey":"k","takeover":true}"""),
        (new NewScheduledWake("r", Time), """{"reason":"r","at":"2031-02-03T04:05:06+00:00"}"""),
        (
            new ScheduledWake(Id, "implementer", "r", Time),
            """
            {"id":"01234567-89ab-7def-8123-456789abcdef","session":"implementer","reason":"r",
             "at":"2031-02-03T04:05:06+00:00"}
            """
        ),
        (
            new NewPause(PauseScope.Session, "implementer", Time, Interrupt: true, "r"),
            """{"scope":"session","name":"implementer","until":"2031-02-03T04:05:06+00:00","interrupt":true,"reason":"r"}"""
        ),
        (
            new Pause(Id, PauseScope.All, null, null, Interrupt: false, "r", Time, Sessions: 3, Running: 1),
            """
            {"id":"01234567-89ab-7def-8123-456789abcdef","scope":"all","name":null,"until":null,"interrupt":false,
             "reason":"r","created":"2031-02-03T04:05:06+00:00","sessions":3,"running":1}
            """
        ),
        (
            new Breaker(
                BreakerLimit.TurnsPerHour,
                PauseScope.Session,
                "implementer",
                BreakerState.HalfOpen,
                Used: 5,
                Amount: 5,
                Id,
                Time,
                Time,
                Trial: null
            ),
            """
            {"limit":"turnsPerHour","scope":"session","name":"implementer","state":"halfOpen","used":5,"amount":5,
             "pause":"01234567-89ab-7def-8123-456789abcdef","since":"2031-02-03T04:05:06+00:00",
             "until":"2031-02-03T04:05:06+00:00","trial":null}
            """
        ),
        (
            new SessionPause([Id], Time, null),
            """
            {"ids":["01234567-89ab-7def-8123-456789abcdef"],"until":"2031-02-03T04:05:06+00:00","reason":null}
            """
        ),
        (
            new NotificationTarget("phone", "ntfy", NotificationState.Failing, 2, Time, 1, Time, "e", Time),
            """
            {"name":"phone","kind":"ntfy","state":"failing","waiting":2,"waitingSince":"2031-02-03T04:05:06+00:00","dead":1,
             "lastDelivered":"2031-02-03T04:05:06+00:00","lastError":"e","lastErrorAt":"2031-02-03T04:05:06+00:00"}
            """
        ),
        (
            new Notification(Id, "t", Time, "implementer", 3, NotificationOutcome.Dead, 10, Time, "e", Time),
            """
            {"id":"01234567-89ab-7def-8123-456789abcdef","type":"t","at":"2031-02-03T04:05:06+00:00","session":"implementer",
             "wake":3,"outcome":"dead","attempts":10,"due":"2031-02-03T04:05:06+00:00","error":"e",
             "settled":"2031-02-03T04:05:06+00:00"}
            """
        ),
        (new RedrivenNotifications(3), """{"redriven":3}"""),
        (
            new NewWatch("implementer", "s", ["t"], ["w"], ["u"], Once: true, "i", Time)
            {
                Ci = Ci,
                Report = ReportPolicy.Comment,
                ExpectBy = Time,
                OnEnd = EndPolicy.Close,
                CloseAfterSeconds = 3600,
            },
            $$"""
            {"session":"implementer","subject":"s","types":["t"],"where":["w"],"until":["u"],"once":true,"intent":"i",
             "expires":"2031-02-03T04:05:06+00:00","ci":{{CiJson}},"report":"comment","expectBy":"2031-02-03T04:05:06+00:00",
             "onEnd":"close","closeAfterSeconds":3600}
            """
        ),
        (Watch, $$"""{{{WatchFieldsJson}}}"""),
        (
            new CreatedWatch(Found: 2, Ended: true)
            {
                Id = Watch.Id,
                Session = Watch.Session,
                Subject = Watch.Subject,
                Types = Watch.Types,
                Where = Watch.Where,
                Until = Watch.Until,
                Once = Watch.Once,
                Intent = Watch.Intent,
                Expires = Watch.Expires,
                Created = Watch.Created,
                Ci = Ci,
                Report = ReportPolicy.Comment,
                ExpectBy = Time,
                Expectation = WatchExpectation.Silent,
                OnEnd = EndPolicy.Close,
                CloseAfterSeconds = 3600,
            },
            $$"""{"found":2,"ended":true,{{WatchFieldsJson}}}"""
        ),
        (
            new RouteDefinition
            {
                Types = ["t"],
                Subject = "s",
                Where = ["w"],
                Session = "implementer@{subject}",
                Profile = "default",
                Workspace = "/srv/wake/{session}",
                FullPrompt = "f",
                DeltaPrompt = "d",
                OnEnd = EndPolicy.Close,
                CloseAfterSeconds = 3600,
                Ci = Ci,
                Report = ReportPolicy.Status,
            },
            $$$"""
            {"types":["t"],"subject":"s","where":["w"],"session":"implementer@{subject}","profile":"default",
             "workspace":"/srv/wake/{session}","fullPrompt":"f","deltaPrompt":"d","onEnd":"close","closeAfterSeconds":3600,"ci":{{{CiJson}}},"report":"status"}
            """
        ),
        (Ci, CiJson),
        (
            new Route("assigned", Configured: true, Time)
            {
                Warnings = ["w"],
                Types = ["t"],
                Subject = "s",
                Where = ["w"],
                Session = "implementer@{subject}",
                Profile = "default",
                Workspace = "/srv/wake/{session}",
                FullPrompt = "f",
                DeltaPrompt = "d",
                OnEnd = EndPolicy.Close,
                CloseAfterSeconds = 3600,
                Ci = Ci,
                Report = ReportPolicy.Status,
            },
            $$$"""
            {"name":"assigned","configured":true,"created":"2031-02-03T04:05:06+00:00","warnings":["w"],"types":["t"],
             "subject":"s","where":["w"],"session":"implementer@{subject}","profile":"default",
             "workspace":"/srv/wake/{session}","fullPrompt":"f","deltaPrompt":"d","onEnd":"close","closeAfterSeconds":3600,"ci":{{{CiJson}}},"report":"status"}
            """
        ),
        (
            new Question(
                Id,
                "implementer",
                Wake: 7,
                [new("Which database?", "Database", MultiSelect: true, [new("PostgreSQL", "d")])],
                new("Bash", JsonElement.Parse("""{"command":"ls"}"""), "w")
                {
                    Whole = true,
                    Call = "c",
                    Hash = "h",
                },
                AskedAt: Time,
                Deadline: Time,
                QuestionOutcome.NoAnswer,
                SettledAt: Time,
                new Dictionary<string, string> { ["Which database?"] = "PostgreSQL" },
                new(Allow: true, "m") { Shown = "h", ForSession = true }
            )
            {
                AnsweredBy = "anna",
            },
            """
            {"id":"01234567-89ab-7def-8123-456789abcdef","session":"implementer","wake":7,
             "questions":[{"question":"Which database?","header":"Database","multiSelect":true,
                           "options":[{"label":"PostgreSQL","description":"d"}]}],
             "permission":{"tool":"Bash","input":{"command":"ls"},"why":"w","whole":true,"call":"c","hash":"h",
              "fitsSession":false},
             "askedAt":"2031-02-03T04:05:06+00:00","deadline":"2031-02-03T04:05:06+00:00","outcome":"noAnswer",
             "settledAt":"2031-02-03T04:05:06+00:00","answers":{"Which database?":"PostgreSQL"},
             "decision":{"allow":true,"message":"m","shown":"h","forSession":true},"answeredBy":"anna"}
            """
        ),
        (
            new QuestionItem("q", "h", MultiSelect: false, []),
            """{"question":"q","header":"h","multiSelect":false,"options":[]}"""
        ),
        (new QuestionOption("l", "d"), """{"label":"l","description":"d"}"""),
        (
            new PermissionRequest("Bash", JsonElement.Parse("{}"), null),
            """{"tool":"Bash","input":{},"why":null,"whole":false,"call":null,"hash":null,"fitsSession":false}"""
        ),
        (new PermissionAnswer(Allow: false, "m"), """{"allow":false,"message":"m","shown":null,"forSession":false}"""),
        (
            new NewAnswer(new() { ["q"] = JsonElement.Parse("\"a\"") }, Allow: true, "m", "h", "s", ForSession: true),
            """{"answers":{"q":"a"},"allow":true,"message":"m","hash":"h","shown":"s","forSession":true}"""
        ),
        (
            new AllowedCall(Id, "Bash", "c", Time, "anna"),
            """
            {"question":"01234567-89ab-7def-8123-456789abcdef","tool":"Bash","call":"c",
             "allowedAt":"2031-02-03T04:05:06+00:00","allowedBy":"anna"}
            """
        ),
        (
            new IntakeResult("4711", IntakeOutcome.Duplicate, ["implementer"], ["reviewer"], "4710")
            {
                CollidesWith = "4709",
                Warnings = ["w"],
            },
            """
            {"id":"4711","outcome":"duplicate","sessions":["implementer"],"unknownSessions":["reviewer"],
             "duplicateOf":"4710","collidesWith":"4709","warnings":["w"]}
            """
        ),
        (
            new AwaitedDecision(Completed: true, [InboxEntry])
            {
                Id = "4711",
                Outcome = IntakeOutcome.Unwatched,
                Sessions = ["implementer"],
                UnknownSessions = ["reviewer"],
                CollidesWith = "4709",
                Warnings = ["w"],
                DuplicateOf = "4710",
            },
            $$"""
            {"completed":true,"inboxEntries":[{{InboxEntryJson}}],"id":"4711","outcome":"unwatched",
             "sessions":["implementer"],"unknownSessions":["reviewer"],"collidesWith":"4709","warnings":["w"],
             "duplicateOf":"4710"}
            """
        ),
        (InboxEntry, InboxEntryJson),
        (InboxEntry.Fact!, FactJson),
        (
            new DryRunResult(
                "4711",
                IntakeOutcome.Routed,
                [
                    new("implementer", Wakes: true, Begins: true, Id, "assigned", "i", PromptForm.Delta, "w", "t")
                    {
                        HeldBy = "source ci",
                    },
                ],
                ["reviewer"],
                "4710"
            )
            {
                CollidesWith = "4709",
                Warnings = ["w"],
                Withheld = 1,
            },
            """
            {"id":"4711","outcome":"routed",
             "sessions":[{"session":"implementer","wakes":true,"begins":true,
                          "watch":"01234567-89ab-7def-8123-456789abcdef","route":"assigned","intent":"i",
                          "prompt":"delta","words":"w","text":"t","heldBy":"source ci"}],
             "unknownSessions":["reviewer"],"duplicateOf":"4710","collidesWith":"4709","warnings":["w"],"withheld":1}
            """
        ),
        (
            new DryRunInboxEntry("implementer", false, false, null, null, null, PromptForm.Full, null, null),
            """{"session":"implementer","wakes":false,"begins":false,"prompt":"full"}"""
        ),
        (
            new EventExplanation(
                "s",
                new()
                {
                    Id = "4711",
                    Source = "ci",
                    Type = "build.failed",
                    Subject = "build:hello/972",
                    Reason = "r",
                },
                Time,
                [new("4712", "ci", Time)],
                [],
                [LedgerLine]
            ),
            $$"""
            {"summary":"s",
             "event":{"id":"4711","source":"ci","type":"build.failed","subject":"build:hello/972","related":null,
                      "dedupKey":null,"reason":"r","delivery":"wake","urgent":false,"sessions":null,"actor":null,
                      "time":null,"expires":null,"data":null,"replayOf":null},
             "acceptedAt":"2031-02-03T04:05:06+00:00",
             "duplicates":[{"id":"4712","source":"ci","at":"2031-02-03T04:05:06+00:00"}],"inboxEntries":[],
             "ledger":[{{LedgerLineJson}}]}
            """
        ),
        (new Duplicate("4712", "ci", Time), """{"id":"4712","source":"ci","at":"2031-02-03T04:05:06+00:00"}"""),
        (
            new SessionExplanation(
                "s",
                Session,
                [new(Id, "r", Wake: 7, Time)],
                [Watch],
                [new("4711", "build.failed", "build:hello/972", "r", Delivery.Ambient, Time)],
                [Turn],
                [LedgerLine]
            ),
            $$"""
            {"summary":"s","session":{{SessionJson}},
             "claudeSessions":[{"id":"01234567-89ab-7def-8123-456789abcdef","reason":"r","wake":7,
                                "since":"2031-02-03T04:05:06+00:00"}],
             "watches":[{ {{WatchFieldsJson}} }],
             "pending":[{"id":"4711","type":"build.failed","subject":"build:hello/972","reason":"r",
                         "delivery":"ambient","routedAt":"2031-02-03T04:05:06+00:00"}],
             "turns":[{{TurnJson}}],"ledger":[{{LedgerLineJson}}]}
            """
        ),
        (
            new ClaudeSessionUse(Id, "r", Wake: null, Time),
            """
            {"id":"01234567-89ab-7def-8123-456789abcdef","reason":"r","since":"2031-02-03T04:05:06+00:00"}
            """
        ),
        (
            new PendingEvent("4711", "t", "s", "r", Delivery.Wake, Time) { HeldBy = "source ci" },
            """
            {"id":"4711","type":"t","subject":"s","reason":"r","delivery":"wake","routedAt":"2031-02-03T04:05:06+00:00",
             "heldBy":"source ci"}
            """
        ),
        (LedgerLine, LedgerLineJson),
        (
            new Collisions(1, [new("4711", "k", "4710", Time)]),
            """
            {"count":1,"latest":[{"event":"4711","dedupKey":"k","heldBy":"4710","at":"2031-02-03T04:05:06+00:00"}]}
            """
        ),
        (
            new Collision("4711", "k", null, Time),
            """{"event":"4711","dedupKey":"k","heldBy":null,"at":"2031-02-03T04:05:06+00:00"}"""
        ),
        (
            new DayCost(new(2031, 2, 3), 1.5m, Tokens, Sessions: 2),
            """
            {"day":"2031-02-03","costUsd":1.5,"tokens":{"input":1,"output":2,"cacheRead":3,"cacheCreation":4},
             "sessions":2}
            """
        ),
        (
            new TranscriptEntry(TranscriptEntryKind.Call, Time, "t", "Bash", "c", "{}", Failed: true, Truncated: true),
            """
            {"kind":"call","at":"2031-02-03T04:05:06+00:00","text":"t","tool":"Bash","call":"c","input":"{}","failed":true,
             "truncated":true}
            """
        ),
        (
            new ReplayChanges("t", "s", "r", Delivery.Ambient, JsonElement.Parse("""{"a":1}""")),
            """{"type":"t","subject":"s","reason":"r","delivery":"ambient","data":{"a":1}}"""
        ),
        (
            new SessionBatch(
                SessionBatchAction.Pause,
                ["implementer"],
                new(SessionState.Parked),
                DryRun: true,
                Expect: 1,
                "r",
                Time,
                Interrupt: true
            ),
            """
            {"action":"pause","keys":["implementer"],
             "filter":{"state":"parked","profile":null,"subject":null,"workspace":null,"text":null,"after":null},
             "dryRun":true,"expect":1,"reason":"r","until":"2031-02-03T04:05:06+00:00","interrupt":true}
            """
        ),
        (
            new SessionFilter(SessionState.Idle, "p", "s", "/srv", "t", "implementer"),
            """
            {"state":"idle","profile":"p","subject":"s","workspace":"/srv","text":"t","after":"implementer"}
            """
        ),
        (
            new SessionBatchResult(DryRun: true, ["implementer"], ["reviewer"], "implementer"),
            """{"dryRun":true,"sessions":["implementer"],"unknown":["reviewer"],"after":"implementer"}"""
        ),
        (
            new RunnerSummary("r", "default", Connected: true, 4, 1, 2, "1.2.3", Time, ["implementer"])
            {
                Warm = 1,
                MemoryBytes = 2,
                ClaudeVersion = "2.1.329",
                Problem = "p",
                Drained = Time,
                Reported = Time,
            },
            """
            {"name":"r","pool":"default","connected":true,"slots":4,"urgentSlots":1,"warmSessions":2,"version":"1.2.3",
             "started":"2031-02-03T04:05:06+00:00","running":["implementer"],"warm":1,"memoryBytes":2,"claudeVersion":"2.1.329",
             "problem":"p","drained":"2031-02-03T04:05:06+00:00","reported":"2031-02-03T04:05:06+00:00"}
            """
        ),
        (
            new EventSource("ci", 2, "4711", "build.failed", Time, Id),
            """
            {"source":"ci","events":2,"lastEvent":"4711","lastType":"build.failed",
             "lastAt":"2031-02-03T04:05:06+00:00","pause":"01234567-89ab-7def-8123-456789abcdef"}
            """
        ),
        (
            new DeadLetter("1f", "wake-events_error", "r", "b", Time, DeadLetterWish.Redrive),
            """
            {"id":"1f","queue":"wake-events_error","reason":"r","body":"b","seen":"2031-02-03T04:05:06+00:00",
             "wanted":"redrive"}
            """
        ),
        (new DeadLetterSelection(["1f"], All: true, Trust: true), """{"ids":["1f"],"all":true,"trust":true}"""),
        (
            new WebhookReport("github", Time, "refused", Time, []),
            """
            {"hook":"github","lastAt":"2031-02-03T04:05:06+00:00","lastOutcome":"refused",
             "genuineAt":"2031-02-03T04:05:06+00:00","rejections":[]}
            """
        ),
        (
            new RejectedDelivery(Time, 401, "r", "a"),
            """{"at":"2031-02-03T04:05:06+00:00","status":401,"reason":"r","address":"a"}"""
        ),
        (
            new ScheduleReport("nightly", Time, Time, Time),
            """
            {"name":"nightly","next":"2031-02-03T04:05:06+00:00","fired":"2031-02-03T04:05:06+00:00",
             "missed":"2031-02-03T04:05:06+00:00"}
            """
        ),
        (
            new AccountReport("bot", "github.com", 5000, 4000, Time, Time, 2, Time, Time),
            """
            {"account":"bot","host":"github.com","limit":5000,"remaining":4000,
             "resetAt":"2031-02-03T04:05:06+00:00","pausedUntil":"2031-02-03T04:05:06+00:00","gap":2,
             "gapAt":"2031-02-03T04:05:06+00:00","at":"2031-02-03T04:05:06+00:00"}
            """
        ),
        (
            new SourceReports(
                [new("github", Time, "refused", Time, [new(Time, 401, "r", "a")])],
                [new("nightly", Time, Time, Time)],
                [new("bot", "github.com", 5000, 4000, Time, Time, 2, Time, Time)]
            ),
            """
            {"webhooks":[{"hook":"github","lastAt":"2031-02-03T04:05:06+00:00","lastOutcome":"refused",
              "genuineAt":"2031-02-03T04:05:06+00:00",
              "rejections":[{"at":"2031-02-03T04:05:06+00:00","status":401,"reason":"r","address":"a"}]}],
             "schedules":[{"name":"nightly","next":"2031-02-03T04:05:06+00:00","fired":"2031-02-03T04:05:06+00:00",
              "missed":"2031-02-03T04:05:06+00:00"}],
             "accounts":[{"account":"bot","host":"github.com","limit":5000,"remaining":4000,
              "resetAt":"2031-02-03T04:05:06+00:00","pausedUntil":"2031-02-03T04:05:06+00:00","gap":2,
              "gapAt":"2031-02-03T04:05:06+00:00","at":"2031-02-03T04:05:06+00:00"}]}
            """
        ),
        (
            new MatchCount(Id, "assigned", 2, Time),
            """
            {"watch":"01234567-89ab-7def-8123-456789abcdef","route":"assigned","count":2,
             "last":"2031-02-03T04:05:06+00:00"}
            """
        ),
        (new DeadLetterCount(1), """{"count":1}"""),
        (new ProfileCost("p", 1.5m, 0.5m, 2), """{"profile":"p","costUsd":1.5,"costTodayUsd":0.5,"sessions":2}"""),
        (new AuditFinding("r", 1, ["e"]), """{"rule":"r","broken":1,"examples":["e"]}"""),
        (
            new EffectiveSetting("Runner__Slots", "3", "environment"),
            """{"name":"Runner__Slots","value":"3","source":"environment"}"""
        ),
        (
            new NewKey("n", [ApiScopes.EventsWrite], ["ci"], ["build"], ["build:hello"], "ns"),
            """
            {"name":"n","scopes":["events:write"],"sources":["ci"],"types":["build"],"subjects":["build:hello"],
             "namespace":"ns"}
            """
        ),
        (
            new NewApiKey(Id, "n", [ApiScopes.Admin], "wake_EXAMPLE"),
            """
            {"id":"01234567-89ab-7def-8123-456789abcdef","name":"n","scopes":["admin"],"key":"wake_EXAMPLE"}
            """
        ),
        (new Rotation(86400), """{"overlapSeconds":86400}"""),
        (
            new ApiKey(Id, "n", [ApiScopes.SessionsRead], Time, Time, Time)
            {
                Sources = ["ci"],
                Types = ["build"],
                Subjects = ["build:hello"],
                Namespace = "ns",
            },
            """
            {"id":"01234567-89ab-7def-8123-456789abcdef","name":"n","scopes":["sessions:read"],
             "created":"2031-02-03T04:05:06+00:00","lastUsedAt":"2031-02-03T04:05:06+00:00",
             "expiresAt":"2031-02-03T04:05:06+00:00","sources":["ci"],"types":["build"],"subjects":["build:hello"],
             "namespace":"ns"}
            """
        ),
        (
            new TerminalHook("laptop/1/2", 1, "laptop", "SessionEnd", "/srv/wake/hello")
            {
                Source = "clear",
                Reason = "other",
                Prompt = "p",
                Register = true,
            },
            """
            {"terminal":"laptop/1/2","processId":1,"host":"laptop","event":"SessionEnd","workspace":"/srv/wake/hello",
             "source":"clear","reason":"other","prompt":"p","register":true}
            """
        ),
        (new TerminalHookAnswer("c", "m", "b"), """{"context":"c","message":"m","block":"b"}"""),
        (
            new TerminalWait("laptop/1/2", 1, "laptop", Id, Idle: true),
            """
            {"terminal":"laptop/1/2","processId":1,"host":"laptop","waiter":"01234567-89ab-7def-8123-456789abcdef",
             "idle":true}
            """
        ),
        (
            new TerminalLine(TerminalLine.Wake, "t") { WakeNumber = 7, Epoch = 8 },
            """{"type":"wake","text":"t","wakeNumber":7,"epoch":8}"""
        ),
        (
            new TerminalAcknowledgement("laptop/1/2", Id, WakeNumber: 7, Epoch: 8),
            """
            {"terminal":"laptop/1/2","waiter":"01234567-89ab-7def-8123-456789abcdef","wakeNumber":7,"epoch":8}
            """
        ),
        (
            new TerminalState("laptop/1/2", Id, Idle: true) { Unread = true },
            """
            {"terminal":"laptop/1/2","waiter":"01234567-89ab-7def-8123-456789abcdef","idle":true,"unread":true}
            """
        ),
        (new StoredTranscriptFile("p", 1, "a"), """{"path":"p","bytes":1,"sha256":"a"}"""),
        (new Contracts.Http.Caller("owner", ["admin"]), """{"id":"owner","scopes":["admin"]}"""),
        (new Invitation("/open?code=c", Time), """{"path":"/open?code=c","expiresAt":"2031-02-03T04:05:06+00:00"}"""),
    ];

    [Fact]
    public void Are_what_they_were() =>
        Assert.Equal(
            Shapes.Select(x => $"{x.Value.GetType().Name} {Compact(x.Json)}"),
            Shapes.Select(x => $"{x.Value.GetType().Name} {Compact(Serialize(x.Value))}")
        );

    [Fact]
    public void Read_back_as_they_were_written() =>
        Assert.All(
            Shapes,
            shape =>
            {
                var read = JsonSerializer.Deserialize(Serialize(shape.Value), shape.Value.GetType(), Options)!;
                Assert.Equal(Serialize(shape.Value), Serialize(read));
            }
        );

    [Fact]
    public void Of_every_type_of_the_HTTP_contract_are_pinned() =>
        Assert.Equal(
            typeof(Session)
                .Assembly.GetExportedTypes()
                .Where(x => x.Namespace == typeof(Session).Namespace && !x.IsEnum)
                .Select(x => x.Name)
                .Order(),
            Shapes.Select(x => x.Value.GetType().Name).Order()
        );

    [Theory]
    [InlineData(typeof(SessionState), "idle dispatched waiting running parked waitingForAnswer closed")]
    [InlineData(typeof(TurnState), "dispatched waiting running parked ended")]
    [InlineData(typeof(FactAnswer), "holds noLonger unknown")]
    [InlineData(typeof(TurnOutcome), "completed limitReached refused failed stale")]
    [InlineData(typeof(QuestionOutcome), "answered noAnswer superseded")]
    [InlineData(typeof(IntakeOutcome), "routed unwatched duplicate")]
    [InlineData(typeof(PromptForm), "full delta")]
    [InlineData(typeof(PauseScope), "all session route profile pool source subject")]
    [InlineData(typeof(EndPolicy), "keep close")]
    [InlineData(typeof(ReportPolicy), "none comment status")]
    [InlineData(typeof(WatchExpectation), "waiting came silent")]
    [InlineData(typeof(NotificationState), "active failing stopped unserved")]
    [InlineData(typeof(NotificationOutcome), "waiting delivered dead")]
    [InlineData(typeof(BreakerLimit), "turnsPerHour usdPerHour usdPerDay eventsPerMinute chainDepth")]
    [InlineData(typeof(BreakerState), "closed open halfOpen")]
    [InlineData(typeof(Delivery), "wake ambient")]
    [InlineData(typeof(TranscriptEntryKind), "wake person notice model thinking call result omitted")]
    [InlineData(typeof(SessionBatchAction), "close pause wake")]
    [InlineData(typeof(DeadLetterWish), "redrive drop")]
    public void Words_of_a_fixed_set_are_what_they_were(Type set, string words) =>
        Assert.Equal(
            words.Split(' ').Select(x => $"\"{x}\""),
            Enum.GetValues(set).Cast<object>().Select(x => JsonSerializer.Serialize(x, set, Options))
        );

    [Fact]
    public void Of_every_fixed_set_the_words_are_pinned() =>
        Assert.Empty(
            typeof(Session)
                .Assembly.GetExportedTypes()
                .Where(x => x.Namespace == typeof(Session).Namespace && x.IsEnum)
                .Except(
                    typeof(HttpShapes)
                        .GetMethod(nameof(Words_of_a_fixed_set_are_what_they_were))!
                        .GetCustomAttributes(typeof(InlineDataAttribute), inherit: false)
                        .Cast<InlineDataAttribute>()
                        .SelectMany(x => x.GetData(testMethod: null!))
                        .Select(x => (Type)x[0])
                )
        );

    static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    // Those the gateway answers with.
    static readonly JsonSerializerOptions Options = GatewayOptions();

    static JsonSerializerOptions GatewayOptions()
    {
        var builder = WebApplication.CreateBuilder();
        builder.AddGateway();
        using var services = builder.Services.BuildServiceProvider();
        return services.GetRequiredService<IOptions<JsonOptions>>().Value.SerializerOptions;
    }

    static string Serialize(object value) => JsonSerializer.Serialize(value, value.GetType(), Options);

    static string Compact(string json) => JsonSerializer.Serialize(JsonElement.Parse(json), Readable);
}
