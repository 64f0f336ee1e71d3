using System.CommandLine;

namespace Wake.Cli;

/// <summary><c>wake unwatch</c>: ends a watch.</summary>
sealed class UnwatchCommand : ClientCommand
{
    readonly Argument<string> id = new("ID") { Description = "The watch's id; wake watches lists them." };

    public UnwatchCommand()
        : base(
            "unwatch",
            "Ends a watch. What it has routed stays routed.",
            """
            Example:
              wake unwatch 01234567-89ab-cdef-0123-456789abcdef
            """
        ) => Accepts(id);

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        // Anything else is another address to the API, and no watch.
        if (!Guid.TryParse(given.GetRequiredValue(id), out var watch))
        {
            throw new CommandException(
                $"There is no watch {given.GetRequiredValue(id)}: the id of a watch is a UUID. wake watches lists them."
            );
        }

        var answer = (await wake.Delete($"/v1/watches/{watch}", cancel)).EnsureSuccess();
        if (output.Json)
            output.Raw(answer.Body);
        else
            output.Line($"Ended: {watch}");
        return 0;
    }
}
