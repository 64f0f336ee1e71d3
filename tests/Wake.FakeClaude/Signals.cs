using System.Runtime.InteropServices;

namespace Wake.FakeClaude;

/// <summary>How the process ends when it is asked politely. SIGKILL needs no code.</summary>
sealed class Signals : IDisposable
{
    readonly Cli cli;
    readonly PosixSignalRegistration[] registrations;

    public Signals(Cli cli)
    {
        this.cli = cli;
        registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => Handle(context, () => Terminate(143))),
            PosixSignalRegistration.Create(PosixSignal.SIGHUP, context => Handle(context, () => Terminate(129))),
            PosixSignalRegistration.Create(PosixSignal.SIGINT, context => Handle(context, Interrupt)),
        ];
    }

    public void Dispose()
    {
        foreach (var registration in registrations)
            registration.Dispose();
    }

    void Handle(PosixSignalContext context, Action react)
    {
        context.Cancel = true;
        if (!cli.IgnoresSignals)
            react();
    }

    // No result; a command under way is killed first and leaves its trace.
    void Terminate(int code)
    {
        cli.Session?.Running?.Writer.EndTool("Exit code 137", isError: true);
        cli.Output.Silence();
        Posix.Exit(code);
    }

    // Exit 0 in any case; only a turn inside a tool still gets its result.
    void Interrupt()
    {
        if (cli.Session?.Running is { } turn)
            turn.Stop(bySignal: true);
        else
            Posix.Exit(0);
    }
}
