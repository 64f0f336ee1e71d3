using System.CommandLine;
using System.Text.Json.Nodes;
using Wake.Store;

namespace Wake.Cli;

/// <summary><c>wake keys create</c>: makes one.</summary>
sealed class CreateKeyCommand : ClientCommand
{
    readonly Argument<string> name = new("NAME") { Description = "What to call it, for instance after who will have it." };
    readonly Option<string[]> scopes = new Option<string[]>("--scope")
    {
        HelpName = "SCOPE",
        Required = true,
        Description = $"What it may do; may be repeated. One of {string.Join(", ", ApiScopes.All)}.",
        Arity = ArgumentArity.OneOrMore,
    }.AcceptOnlyFromAmong([.. ApiScopes.All]);

    public CreateKeyCommand() : base("create",
        "Makes a key and shows it, this once.",
        """
        The key alone stands on standard output. A command sends the one in WAKE_API_KEY.

        Example:
          wake keys create "build server" --scope events:write
        """) => Takes(name, scopes);

    protected override async Task<int> Run(ParseResult given, WakeClient wake, Output output, CancellationToken cancel)
    {
        var called = given.GetRequiredValue(name);
        var body = new JsonObject
        {
            ["name"] = called,
            ["scopes"] = new JsonArray([.. given.GetRequiredValue(scopes).Select(x => JsonValue.Create(x))]),
        };
        KeysCommand.Tell((await wake.Post("/v1/keys", body, cancel)).Expected(), output, $"Made the key {called}.");
        return 0;
    }
}
