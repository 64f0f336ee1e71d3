using System.CommandLine;
using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary><c>wake keys rotate</c>: makes a key that takes another's place.</summary>
sealed class RotateKeyCommand : ClientCommand
{
    readonly Argument<string> id = new("ID") { Description = "The key's id; wake keys lists them." };
    readonly Option<TimeSpan?> overlap = TimeFormat.DurationOption(
        "--overlap",
        "How long the old key stays valid. Default: a day."
    );

    public RotateKeyCommand()
        : base(
            "rotate",
            "Makes another key of the same name and scopes, shows it, this once, and ends the old one a while later.",
            """
            Example:
              wake keys rotate 01234567-89ab-cdef-0123-456789abcdef --overlap 7d
            """
        ) => Accepts(id, overlap);

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var answer = await wake.Post(
            $"{KeysCommand.ApiPath(given.GetRequiredValue(id))}/rotate",
            new Rotation(given.GetValue(overlap) is { } time ? (long)time.TotalSeconds : null),
            RequestJson.Default.Rotation,
            cancel
        );
        KeysCommand.ShowNew(answer.EnsureSuccess(), output, "Made the key that takes its place.");
        return 0;
    }
}

/// <summary><c>wake keys revoke</c>: ends a key.</summary>
sealed class RevokeKeyCommand : ClientCommand
{
    readonly Argument<string> id = new("ID") { Description = "The key's id; wake keys lists them." };

    public RevokeKeyCommand()
        : base(
            "revoke",
            "Ends a key now. Every gateway knows within five seconds.",
            """
            Example:
              wake keys revoke 01234567-89ab-cdef-0123-456789abcdef
            """
        ) => Accepts(id);

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var answer = (await wake.Delete(KeysCommand.ApiPath(given.GetRequiredValue(id)), cancel)).EnsureSuccess();
        if (output.Json)
            output.Raw(answer.Body);
        else
            output.Line($"Revoked: {given.GetRequiredValue(id)}");
        return 0;
    }
}
