using System.CommandLine;
using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary><c>wake pause</c>: stops turns from beginning.</summary>
sealed class PauseCommand : ClientCommand
{
    readonly PauseScopeOptions scope = new();
    readonly Option<DateTimeOffset?> until = TimeFormat.EndOption(
        "--until",
        "When it is over by itself. Default: with wake unpause."
    );
    readonly Option<bool> interrupt = CommonOptions.Flag(
        "--interrupt",
        "Stop turns that run as well. They run again, as the same wakes, when the pause is over. A turn in an open "
            + "terminal goes on."
    );
    readonly Option<string?> reason = new("--reason")
    {
        HelpName = "TEXT",
        Description = "Why, for people: wake pauses, wake sessions and wake explain show it.",
    };

    public PauseCommand()
        : base(
            "pause",
            "Pauses sessions, or the events of a source or a subject: no turn of theirs begins.",
            """
            Events are taken in all the same and wait. When no pause covers a session any more, it takes one turn for
            all that came meanwhile. wake resume does not break through a pause. A turn that runs ends by itself.

            --source and --subject hold events and no session: other events wake it as ever, and its turn is not told of
            those that are held. With --interrupt a turn that only such events woke is stopped.

            Examples:
              wake pause --all --until 2h --reason "The database is being moved"
              wake pause --session implementer --interrupt
              wake pause --route reviews --until 2031-02-03T04:05:06Z
              wake pause --source ci --until 30m --reason "The CI server is being updated"
              wake pause --subject "github:octo-org/hello#*"
            """
        )
    {
        Accepts([.. scope.Options, until, interrupt, reason]);
        Validators.Add(given =>
        {
            if (scope.Count(given) != 1)
                given.AddError($"Say what to pause: one of {scope.Names}.");
        });
    }

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var (what, name) = scope.Read(given);
        var body = new NewPause(what, name, given.GetValue(until), given.GetValue(interrupt), given.GetValue(reason));
        var answer = (await wake.Post("/v1/pauses", body, RequestJson.Default.NewPause, cancel)).EnsureSuccess();
        if (output.Json)
        {
            output.Raw(answer.Body);
            return 0;
        }

        var pause = answer.ReadAs(CliJson.Default.Pause);
        var end = pause.Until is { } date ? $"until {TimeFormat.Format(date)}" : "until wake unpause";
        var sessions = what is PauseScope.Source or PauseScope.Subject
            ? "Sessions with such events waiting"
            : "Open sessions";
        output.Line(
            $"Paused: {PauseScopeOptions.Describe(what, name)}, {end}. {sessions}: {pause.Sessions}. {pause.Id}"
        );
        if (pause is { Running: > 0, Interrupt: false })
            Output.Note($"Turns that run and go on: {pause.Running}. --interrupt stops them.");
        return 0;
    }
}
