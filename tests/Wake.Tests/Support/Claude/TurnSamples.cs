using Wake.Prompting;
using Wake.Store;

namespace Wake.Tests.Support;

/// <summary>Turns and events as a prompt is made of them.</summary>
static class TurnSamples
{
    public static readonly Guid Session = Guid.Parse("0198c2f0-0000-7000-8000-000000000001");

    /// <summary>The seventh wake of a session that remembers.</summary>
    public static ClaimedTurn Turn(params TurnEvent[] events) =>
        new(
            Session,
            "implementer@github:octo-org/hello#972",
            WakeNumber: 7,
            Epoch: 1,
            Attempt: 1,
            Interruptions: 0,
            LastAcknowledgedAttempt: 0,
            HasSideEffects: false,
            "/work",
            "default",
            new(Guid.Empty, Opened: true, "registered", null),
            events
        );

    public static TurnEvent Event(string reason, string type = "github.pull_request.merged") =>
        new(
            "id",
            "github:webhook",
            type,
            "github:octo-org/hello#972",
            reason,
            "octocat",
            new DateTimeOffset(2026, 11, 20, 10, 0, 0, TimeSpan.Zero),
            Wakes: true,
            Intent: "then deploy it"
        );

    /// <summary>The same turn in a Claude session that this wake has begun.</summary>
    public static ClaimedTurn InNewSession(this ClaimedTurn turn, string reason = Store.Sessions.First) =>
        turn with
        {
            ClaudeSession = new(Guid.Empty, Opened: false, reason, turn.WakeNumber),
        };

    /// <summary>What the runner says of a turn.</summary>
    public static string RenderPrompt(this WakePrompt prompt, ClaimedTurn turn, string recap = "") =>
        prompt.RenderTurn(turn, TurnMessage.IdOf(turn), recap);
}
