using System.CommandLine;
using System.Text.Json.Nodes;

namespace Wake.Cli;

/// <summary><c>wake watch</c>: a session wants to hear of something.</summary>
sealed class WatchCommand : ClientCommand
{
    readonly Option<string> session = new("--session")
    {
        HelpName = "SESSION",
        Required = true,
        Description = "The session to wake: its key, or the id of a Claude session, registered from its local transcript if need be.",
    };

    readonly Option<string> subject = new("--subject")
    {
        HelpName = "S",
        Required = true,
        Description = "The subject to match; * stands for anything.",
    };

    readonly Option<string[]> types = new("--type")
    {
        HelpName = "T",
        Arity = ArgumentArity.OneOrMore,
        Description = "An event type to match, with * for anything; may be repeated. Default: all.",
    };

    readonly Option<string?> intent = new("--intent")
    {
        HelpName = "TEXT",
        Description = "A note to the session, shown when it wakes: then deploy it.",
    };

    readonly Option<DateTimeOffset?> expires = Times.EndOption("--expires", "When it ends by itself. Default: with the session.");

    public WatchCommand() : base("watch",
        "Wakes a session when events match, those of the last minutes included.",
        """
        Example:
          wake watch --session implementer --subject "github:octo-org/hello#972" --type "github.pull_request.*" --expires 7d
        """) => Takes(session, subject, types, intent, expires);

    protected override async Task<int> Run(ParseResult given, WakeClient wake, Output output, CancellationToken cancel)
    {
        var (_, answer) = await Registration.Ask(
            wake, given.GetRequiredValue(session), key => wake.Post("/v1/watches", Watch(given, key), cancel), cancel);

        answer.Expected();
        if (output.Json)
        {
            output.Raw(answer.Body);
            return 0;
        }

        var watch = answer.Read(CliJson.Default.CreatedWatch);
        var found = watch.Found switch
        {
            0 => "",
            1 => "; 1 event of the last minutes matches",
            var many => $"; {many} events of the last minutes match",
        };
        output.Line($"{watch.Session} watches {watch.Subject}{found}. To end it: wake unwatch {watch.Id}");
        return 0;
    }

    JsonObject Watch(ParseResult given, string key)
    {
        var watch = new JsonObject { ["session"] = key, ["subject"] = given.GetRequiredValue(subject) };
        if (given.GetValue(types) is { Length: > 0 } some)
            watch["types"] = new JsonArray([.. some.Select(x => JsonValue.Create(x))]);
        if (given.GetValue(intent) is { } note)
            watch["intent"] = note;
        if (given.GetValue(expires) is { } moment)
            watch["expires"] = moment;
        return watch;
    }
}

/// <summary>What the API answers about a watch just made, as far as it is shown.</summary>
/// <param name="Id">Names the watch.</param>
/// <param name="Session">The key of the session it wakes.</param>
/// <param name="Subject">The subject it matches.</param>
/// <param name="Found">How many events of the last minutes it matched.</param>
sealed record CreatedWatch(Guid Id, string Session, string Subject, int Found);
