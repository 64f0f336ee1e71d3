using System.CommandLine;
using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary><c>wake schedule</c>: lists the scheduled wakes of a session; adds one, or calls one
/// off.</summary>
sealed class ScheduleCommand : ClientCommand
{
    readonly Option<string?> session = CurrentSession.CreateOption("Whose.");

    public ScheduleCommand()
        : base(
            "schedule",
            "Lists the times at which a session is to be woken.",
            """
            For what comes again and again there are schedules in the configuration (the section Cron).

            Examples:
              wake schedule --session implementer
              wake schedule add --session implementer --at 2h --reason "Look whether the release is out"
              wake schedule cancel --session implementer 01234567-89ab-cdef-0123-456789abcdef
            """
        )
    {
        Accepts(session);
        Add(new AddScheduledWakeCommand());
        Add(new CancelScheduledWakeCommand());
    }

    /// <summary>The address of a session's wakes to come.</summary>
    public static string ApiPath(string key) => $"/v1/sessions/{WakeClient.EscapeSegment(key)}/schedule";

    /// <summary>
    /// Calls one off. That there is no such wake is told apart from that there is no such session, which may be
    /// registered yet.
    /// </summary>
    /// <exception cref="CommandException">There is none.</exception>
    public static async Task<ApiResponse> Cancel(WakeClient wake, string named, string id, CancellationToken cancel)
    {
        var (key, listed) = await SessionRegistration.SendWithRegistration(
            wake,
            named,
            key => wake.Get(ApiPath(key), cancel),
            cancel
        );
        return
            Guid.TryParse(id, out var scheduled)
            && Array.Exists(listed.EnsureSuccess().ReadAs(CliJson.Default.ScheduledWakeArray), x => x.Id == scheduled)
            ? (await wake.Delete($"{ApiPath(key)}/{scheduled}", cancel)).EnsureSuccess()
            : throw new CommandException($"{key} has no wake {id} ahead. wake schedule lists them.");
    }

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var key = CurrentSession.Resolve(given.GetValue(session));
        var answer = (
            await SessionRegistration.SendWithRegistration(wake, key, key => wake.Get(ApiPath(key), cancel), cancel)
        ).Answer.EnsureSuccess();
        output.List(
            answer,
            CliJson.Default.ScheduledWakeArray,
            ["ID", "AT", "REASON"],
            x => [$"{x.Id}", TimeFormat.Format(x.At), x.Reason],
            "No wake is scheduled."
        );
        return 0;
    }
}

/// <summary><c>wake schedule add</c>: puts one off to a date.</summary>
sealed class AddScheduledWakeCommand : ClientCommand
{
    readonly Option<string?> session = CurrentSession.CreateOption("The session to wake.");
    readonly Option<DateTimeOffset?> at = TimeFormat.EndOption("--at", "When.");
    readonly Option<string> reason = new("--reason")
    {
        HelpName = "TEXT",
        Required = true,
        Description = "What it is told then.",
    };

    public AddScheduledWakeCommand()
        : base(
            "add",
            "Wakes a session at a time, whatever happens.",
            """
            Example:
              wake schedule add --session implementer --at 2h --reason "Look whether the release is out"
            """
        )
    {
        at.Required = true;
        Accepts(session, at, reason);
    }

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var body = new NewScheduledWake(given.GetRequiredValue(reason), given.GetRequiredValue(at));
        var named = CurrentSession.Resolve(given.GetValue(session));
        var answer = (
            await SessionRegistration.SendWithRegistration(
                wake,
                named,
                key => wake.Post(ScheduleCommand.ApiPath(key), body, RequestJson.Default.NewScheduledWake, cancel),
                cancel
            )
        ).Answer.EnsureSuccess();
        if (output.Json)
        {
            output.Raw(answer.Body);
            return 0;
        }

        var scheduled = answer.ReadAs(CliJson.Default.ScheduledWake);
        output.Line($"{scheduled.Session} wakes at {TimeFormat.Format(scheduled.At)}: {scheduled.Id}");
        return 0;
    }
}

/// <summary><c>wake schedule cancel</c>: calls one off.</summary>
sealed class CancelScheduledWakeCommand : ClientCommand
{
    readonly Option<string?> session = CurrentSession.CreateOption("Whose.");
    readonly Argument<Guid> id = IdFormat.Argument("ID", "The wake's id; wake schedule lists them.");

    public CancelScheduledWakeCommand()
        : base(
            "cancel",
            "Cancels a scheduled wake.",
            """
            Example:
              wake schedule cancel --session implementer 01234567-89ab-cdef-0123-456789abcdef
            """
        ) => Accepts(session, id);

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var which = given.GetRequiredValue(id);
        var answer = await ScheduleCommand.Cancel(
            wake,
            CurrentSession.Resolve(given.GetValue(session)),
            $"{which}",
            cancel
        );
        if (output.Json)
            output.Raw(answer.Body);
        else
            output.Line($"Called off: {which}");
        return 0;
    }
}
