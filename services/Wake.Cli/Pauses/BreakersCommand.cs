using System.CommandLine;
using System.Globalization;
using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary><c>wake breakers</c>: lists what is near its limit, or beyond.</summary>
sealed class BreakersCommand : ClientCommand
{
    public BreakersCommand()
        : base(
            "breakers",
            "Lists the circuit breakers: limits on turns, dollars and events.",
            """
            An open breaker is a pause that Wake has made, because a limit of the section Breakers was reached: no turn
            begins, and events wait. After a time it is half-open, and one turn is tried. If that ends well within the
            limit the breaker closes, else it opens again, for longer. wake unpause ID closes it at once, and what was
            counted until then counts no more. Of the limits that each session has, those are listed of which half is
            used.

            Example:
              wake breakers
            """
        ) => Accepts();

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var answer = (await wake.Get("/v1/breakers", cancel)).EnsureSuccess();
        output.List(
            answer,
            CliJson.Default.BreakerArray,
            ["STATE", "OF", "LIMIT", "USED", "AMOUNT", "SINCE", "UNTIL", "ID"],
            x =>
                [
                    Output.EnumWord(x.State),
                    PauseScopeOptions.Describe(x.Scope, x.Name),
                    Output.EnumWord(x.Limit),
                    x.Used.ToString("0.####", CultureInfo.InvariantCulture),
                    x.Amount.ToString("0.####", CultureInfo.InvariantCulture),
                    x.Since is { } since ? TimeFormat.Format(since) : "",
                    End(x),
                    x.Pause?.ToString(),
                ],
            "No breaker is open, and no limit is near."
        );
        return 0;
    }

    static string End(Breaker breaker) =>
        breaker switch
        {
            { Trial: { } session } => $"{session}'s trial turn ends",
            { State: BreakerState.HalfOpen } => "the next turn, as a trial",
            { Until: { } end } => TimeFormat.Format(end),
            _ => "",
        };
}
