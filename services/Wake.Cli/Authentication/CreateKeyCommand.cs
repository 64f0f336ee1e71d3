using System.CommandLine;
using Wake.Contracts;
using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary><c>wake keys create</c>: makes one.</summary>
sealed class CreateKeyCommand : ClientCommand
{
    readonly Argument<string> name = new("NAME")
    {
        Description = "What to call it, for instance after who will have it.",
    };
    readonly Option<string[]> scopes = new Option<string[]>("--scope")
    {
        HelpName = "SCOPE",
        Required = true,
        Description = $"What it may do; may be repeated. One of {string.Join(", ", ApiScopes.All)}.",
        Arity = ArgumentArity.OneOrMore,
    }.AcceptOnlyFromAmong([.. ApiScopes.All]);

    readonly Option<string[]> sources = Limit(
        "--source",
        "SOURCE",
        "What the sources of its events may begin with; may be repeated. Default: anything."
    );
    readonly Option<string[]> types = Limit(
        "--type",
        "T",
        "What their types may begin with; may be repeated. Default: anything."
    );
    readonly Option<string[]> subjects = Limit(
        "--subject",
        "S",
        "What their subjects may begin with; may be repeated. github:octo-org/hello is all of that repository. "
            + "Default: anything."
    );
    readonly Option<string?> nameSpace = new("--namespace")
    {
        HelpName = "NAME",
        Description =
            "Namespace of the key's dedup keys. Events published with keys of one namespace deduplicate against "
            + "each other and against no other. Default: a namespace of its own.",
    };

    public CreateKeyCommand()
        : base(
            "create",
            "Makes a key and shows it, this once.",
            """
            The key alone stands on standard output. A command sends the one in WAKE_API_KEY.

            Examples:
              wake keys create "build server" --scope events:write
              wake keys create "build of hello" --scope events:write --type build --subject build:hello
            """
        ) => Accepts(name, scopes, sources, types, subjects, nameSpace);

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var called = given.GetRequiredValue(name);
        var body = new NewKey(
            called,
            given.GetRequiredValue(scopes),
            Beginnings(sources),
            Beginnings(types),
            Beginnings(subjects),
            given.GetValue(nameSpace)
        );
        KeysCommand.ShowNew(
            (await wake.Post("/v1/keys", body, RequestJson.Default.NewKey, cancel)).EnsureSuccess(),
            output,
            $"Made the key {called}."
        );
        return 0;

        string[]? Beginnings(Option<string[]> limit) => given.GetValue(limit) is { Length: > 0 } some ? some : null;
    }

    static Option<string[]> Limit(string name, string value, string description) =>
        new(name)
        {
            HelpName = value,
            Description = description,
            Arity = ArgumentArity.OneOrMore,
        };
}
