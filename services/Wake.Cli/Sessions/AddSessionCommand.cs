using System.CommandLine;
using System.Net;
using Wake.Contracts.Http;
using Wake.Store;

namespace Wake.Cli;

/// <summary><c>wake sessions add</c>: registers one.</summary>
sealed class AddSessionCommand : ClientCommand
{
    readonly Argument<string> key = new("KEY") { Description = "Your name for it; unique among the open ones." };

    readonly Option<string> workspace = new("--workspace")
    {
        HelpName = "DIR",
        Required = true,
        Description = "The directory it works in.",
    };

    readonly Option<string?> claudeSession = new("--claude-session")
    {
        HelpName = "UUID",
        Description = "A Claude session to go on with. Default: its first wake begins one.",
    };

    readonly Option<string?> profile = new("--profile")
    {
        HelpName = "NAME",
        Description = "The name of its profile. Default: default.",
    };

    public AddSessionCommand()
        : base(
            "add",
            "Registers a session. Doing so again with the same values is no mistake.",
            """
            Example:
              wake sessions add implementer --workspace ~/src/hello
            """
        ) => Accepts(key, workspace, claudeSession, profile);

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var directory = given.GetRequiredValue(workspace);

        // From where one stands .. is what one sees; in a whole path it depends on links.
        if (Path.IsPathFullyQualified(directory) && WorkspaceDirectory.HasParentSegment(directory))
            throw new CommandException("--workspace must have no .. in an absolute path.");

        var body = new NewSession(
            given.GetRequiredValue(key),
            directory.Length == 0 ? directory : Path.GetFullPath(directory),
            given.GetValue(claudeSession),
            given.GetValue(profile)
        );
        var answer = (await wake.Post("/v1/sessions", body, RequestJson.Default.NewSession, cancel)).EnsureSuccess();
        if (output.Json)
        {
            output.Raw(answer.Body);
            return 0;
        }

        var session = answer.ReadAs(CliJson.Default.Session);
        var how = answer.Status is HttpStatusCode.Created ? "Registered" : "Registered before";
        output.Line($"{how}: {session.Key}, which works in {session.Workspace}");
        if (session.Notice is { } notice)
            Output.Note(notice);
        return 0;
    }
}
