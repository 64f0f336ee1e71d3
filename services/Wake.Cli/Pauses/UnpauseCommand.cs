using System.CommandLine;
using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary><c>wake unpause</c>: ends pauses.</summary>
sealed class UnpauseCommand : ClientCommand
{
    readonly Argument<Guid?> id = IdFormat.OptionalArgument("ID", "The pause's id; wake pauses lists them.");
    readonly PauseScopeOptions scope = new();

    public UnpauseCommand()
        : base(
            "unpause",
            "Ends a pause, or those of a scope.",
            """
            A scope ends the pauses that were made with the same scope, and closes the breakers that have it. A session
            that another pause covers stays paused, and an event that another holds stays held.

            Examples:
              wake unpause --all
              wake unpause 01234567-89ab-cdef-0123-456789abcdef
            """
        )
    {
        Accepts([id, .. scope.Options]);
        Validators.Add(given =>
        {
            // Not its value, which one that is no id does not have.
            if (scope.Count(given) + (given.GetResult(id) is { Tokens.Count: > 0 } ? 1 : 0) != 1)
                given.AddError($"Say which: an id, or one of {scope.Names}.");
        });
    }

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var ended = given.GetValue(id) is { } one ? [one] : await Find(scope.Read(given), wake, cancel);
        foreach (var pause in ended)
        {
            var answer = (await wake.Delete($"/v1/pauses/{pause}", cancel)).EnsureSuccess();
            if (output.Json)
                output.Raw(answer.Body);
            else
                output.Line($"Ended: {pause}");
        }

        return 0;
    }

    static async Task<Guid[]> Find((PauseScope Scope, string? Name) what, WakeClient wake, CancellationToken cancel)
    {
        var pauses = (await wake.Get("/v1/pauses", cancel)).EnsureSuccess().ReadAs(CliJson.Default.PauseArray);
        var found = pauses.Where(x => (x.Scope, x.Name) == what).Select(x => x.Id).ToArray();
        return found is []
            ? throw new CommandException(
                $"No pause of {PauseScopeOptions.Describe(what.Scope, what.Name)} is in force. wake pauses lists "
                    + "those that are."
            )
            : found;
    }
}
