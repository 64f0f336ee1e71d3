using System.Runtime.InteropServices;
using System.Text;

namespace Wake.Terminal;

/// <summary>
/// <c>wake-terminal wait</c>: a hook with <c>asyncRewake</c>, which runs beside the session until there is a wake for
/// it. It then ends with code 2, and Claude Code begins a turn with what stands on its standard error.
/// </summary>
static class WaitCommand
{
    const int WakeTheSession = 2;

    static readonly TimeSpan TurnStart = TimeSpan.FromMilliseconds(250);

    public static async Task<int> Run()
    {
        if (
            !Variables.IsPersonsSession
            || await HookInput.Read(CancellationToken.None) is not { Session: { } session } input
        )
            return 0;

        var claude = new ClaudeProcess(session);
        ClaudeProcess.EndWithIt();
        if (claude.IsOther || claude.HasEnded)
            return 0;

        // Every hook arms one; the first stays.
        using var one = TerminalFiles.Lock(claude.Id, session);
        if (one is null)
            return 0;

        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
        using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, End);

        var begins = input.Event is HookInput.UserPromptSubmit;
        var waiter = new TerminalWaiter(
            claude,
            session,
            input.TranscriptPath,
            duringTurn: begins,
            ReadMessage.Of(input)
        );
        // No wake is read during a turn: a turn that begins has the processor first.
        if (begins)
            await Task.Delay(TurnStart);

        var text = await waiter.WaitForWake();
        if (text is null)
            return 0;

        await using var errors = Console.OpenStandardError();
        await errors.WriteAsync(Encoding.UTF8.GetBytes(text));
        await errors.FlushAsync();
        return WakeTheSession;
    }

    // Claude Code ends its hooks so when it ends.
    static void End(PosixSignalContext signal) => Environment.Exit(0);
}
