using System.CommandLine;
using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary><c>wake sessions reset</c>: has one begin afresh.</summary>
sealed class ResetSessionCommand : ClientCommand
{
    readonly Argument<string> key = new("KEY") { Description = "The session's key." };
    readonly Option<bool> interrupt = CommonOptions.Flag(
        "--interrupt",
        "Stop a turn that runs. It runs again, as the same wake, in the new Claude session. A turn in an open terminal "
            + "goes on."
    );

    public ResetSessionCommand()
        : base(
            "reset",
            "Has a session begin afresh: its next turn begins a new Claude session.",
            """
            Key, workspace, watches and inbox stay. The new Claude session knows nothing of the one before, whose
            transcript is kept. A turn that runs, or that waits for an answer, ends in the old one.

            Examples:
              wake sessions reset implementer
              wake sessions reset implementer --interrupt
            """
        ) => Accepts(key, interrupt);

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var session = given.GetRequiredValue(key);
        var answer = (
            await wake.Post(
                $"{SessionsCommand.ApiPath(session)}/reset",
                new ResetRequest(given.GetValue(interrupt)),
                RequestJson.Default.ResetRequest,
                cancel
            )
        ).EnsureSuccess();
        if (output.Json)
        {
            output.Raw(answer.Body);
            return 0;
        }

        switch (answer.ReadAs(CliJson.Default.ResetResult))
        {
            case { Reset: false }:
                output.Line($"Nothing to reset: {session} has no Claude session yet that knows anything.");
                break;
            case { Interrupted: true, AfterWake: { } wakeNumber }:
                output.Line($"Reset: {session}. Wake {wakeNumber} is interrupted and runs again afresh.");
                break;
            case { AfterWake: { } wakeNumber }:
                output.Line($"Reset: {session}, after wake {wakeNumber}, which ends in the old Claude session.");
                break;
            case { ClaudeSessionId: var left }:
                output.Line($"Reset: {session}. Its next turn begins afresh. Left: Claude session {left}");
                break;
        }

        return 0;
    }
}
