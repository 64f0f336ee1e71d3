using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.Json;
using Wake.Contracts;
using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary><c>wake publish</c>: says that something happened.</summary>
sealed class PublishCommand : ClientCommand
{
    readonly Option<string?> subject = Text(
        "--subject",
        "S",
        "What it is about, as watches name it: github:octo-org/hello#972. Required without --file."
    );
    readonly Option<string?> type = Text(
        "--type",
        "T",
        "What kind of fact: github.pull_request.merged. Required without --file."
    );
    readonly Option<string?> reason = Text(
        "--reason",
        "TEXT",
        "One sentence for the session that wakes. Required without --file."
    );
    readonly Option<string?> id = Text("--id", "ID", "Names this observation within its source. Default: a new UUID.");
    readonly Option<string?> source = Text("--source", "SOURCE", "Who observed it. Default: cli.");
    readonly Option<string?> dedupKey = Text(
        "--dedup-key",
        "KEY",
        "The fact's identity: events with the same key are one fact. Default: source and id."
    );
    readonly Option<string[]> related = Texts("--related", "S", "A further subject it concerns; may be repeated.");
    readonly Option<string?> delivery = Text(
            "--delivery",
            "wake|ambient",
            "wake starts a turn (the default); ambient waits for the next one."
        )
        .AcceptOnlyFromAmong("wake", "ambient");
    readonly Option<bool> urgent = CommonOptions.Flag(
        "--urgent",
        "Wake at once: skip the debounce window and unpark a parked session."
    );
    readonly Option<string[]> sessions = Texts(
        "--session",
        "KEY",
        "Deliver to this session whether or not it watches the subject; may be repeated."
    );
    readonly Option<string?> actor = Text("--actor", "WHO", "Who caused it.");
    readonly Option<DateTimeOffset?> time = TimeFormat.MomentOption("--time", "When it happened.");
    readonly Option<DateTimeOffset?> expires = TimeFormat.EndOption("--expires", "When it is no longer worth a turn.");
    readonly Option<JsonElement?> data = new("--data")
    {
        HelpName = "JSON",
        Description = "Anything else a reader might want, as JSON. (The data folder is named by --data-folder here.)",
        CustomParser = ParseJson,
    };
    readonly Option<string?> file = Text(
        "--file",
        "FILE|-",
        "Publish what this file holds instead: one event or an array of them, as JSON. - reads standard input."
    );
    readonly Option<bool> dryRun = CommonOptions.Flag(
        "--dry-run",
        "Publish nothing: say which sessions would receive it, why, and in which form; with --from or --hook what "
            + "the delivery means."
    );
    readonly WebhookPayload webhook = new();

    public PublishCommand()
        : base(
            "publish",
            "Publishes an event, and says what was decided about it.",
            """
            While no Wake runs here it is spooled in the data folder and delivered when one starts.

            Examples:
              wake publish --subject github:octo-org/hello#972 --type github.pull_request.merged --reason "PR #972 merged"
              wake publish --file events.json
              wake publish --from github --event pull_request --file payload.json --dry-run
            """,
            CommonOptions.DataFolder
        )
    {
        Option[] own =
        [
            subject,
            type,
            reason,
            id,
            source,
            dedupKey,
            related,
            delivery,
            urgent,
            sessions,
            actor,
            time,
            expires,
            data,
        ];
        Accepts([.. own, file, dryRun, .. webhook.Options]);
        Validators.Add(given => Validate(given, own));
        Validators.Add(given => webhook.Validate(given, file));
    }

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var body = given.GetValue(file) switch
        {
            null => EventJson.Serialize(BuildEvent(given)),
            "-" => await ReadStandardInput(cancel),
            var path => await File.ReadAllBytesAsync(path, cancel),
        };

        if (webhook.IsRequested(given))
        {
            var mapped = webhook.MapEvents(given, body);
            if (given.GetValue(dryRun) || mapped.Events is [])
            {
                WebhookPayload.Show(mapped, output);
                return 0;
            }

            body = JsonSerializer.SerializeToUtf8Bytes(
                mapped.Events,
                EventJson.Options.GetTypeInfo(typeof(IReadOnlyList<ExternalEventObserved>))
            );
        }

        if (given.GetValue(dryRun))
            return await DryRun.Send(wake, body, output, cancel);

        ApiResponse answer;
        try
        {
            answer = (await wake.Post("/v1/events", body, cancel)).EnsureSuccess();
        }
        catch (NotRunningException down) when (down.Spool is { } spool)
        {
            SpoolWriter.Write(spool, body, output);
            return 0;
        }

        if (output.Json)
        {
            output.Raw(answer.Body);
            return 0;
        }

        var decisions = answer.Body.AsSpan().TrimStart(" \r\n\t"u8) is [(byte)'[', ..]
            ? answer.ReadAs(CliJson.Default.IntakeResultArray)
            : [answer.ReadAs(CliJson.Default.IntakeResult)];
        foreach (var decision in decisions)
            Show(decision, output);
        return 0;
    }

    /// <summary>Says what was decided about an event.</summary>
    public static void Show(IntakeResult decision, Output output)
    {
        switch (decision.Outcome)
        {
            case IntakeOutcome.Routed:
                output.Line($"{decision.Id}: [green]routed[/] to {string.Join(", ", decision.Sessions)}");
                break;
            case IntakeOutcome.Duplicate:
                output.Line($"{decision.Id}: [yellow]duplicate[/] of {decision.DuplicateOf}");
                break;
            default:
                output.Line($"{decision.Id}: [yellow]unwatched[/]; a watch that comes within minutes still finds it");
                break;
        }

        if (decision.CollidesWith is { } holder)
            Output.Note($"{decision.Id}: its dedup key is that of {holder}, which is another fact. Both are taken in.");
        foreach (var warning in decision.Warnings ?? [])
            Output.Note($"{decision.Id}: {warning}");
        foreach (var unknown in decision.UnknownSessions ?? [])
            Output.Note($"{decision.Id}: there is no open session {unknown}.");
    }

    ExternalEventObserved BuildEvent(ParseResult given) =>
        new()
        {
            Id = given.GetValue(id) ?? Guid.CreateVersion7().ToString(),
            Source = given.GetValue(source) ?? "cli",
            Type = given.GetValue(type)!,
            Subject = given.GetValue(subject)!,
            Reason = given.GetValue(reason)!,
            DedupKey = given.GetValue(dedupKey),
            Related = given.GetValue(related) is { Length: > 0 } subjects ? subjects : null,
            Delivery = given.GetValue(delivery) == "ambient" ? Delivery.Ambient : Delivery.Wake,
            Urgent = given.GetValue(urgent),
            Sessions = given.GetValue(sessions) is { Length: > 0 } keys ? keys : null,
            Actor = given.GetValue(actor),
            Time = given.GetValue(time),
            Expires = given.GetValue(expires),
            Data = given.GetValue(data),
        };

    void Validate(CommandResult given, Option[] own)
    {
        if (given.GetResult(file) is null)
        {
            foreach (var option in own[..3].Where(x => given.GetResult(x) is null && !webhook.HasAnyOption(given)))
                given.AddError($"Option '{option.Name}' is required, unless --file is given.");
        }
        else if (own.FirstOrDefault(x => given.GetResult(x) is not null) is { } other)
        {
            given.AddError($"--file brings whole events: {other.Name} cannot be given with it.");
        }
    }

    static async Task<byte[]> ReadStandardInput(CancellationToken cancel)
    {
        using var whole = new MemoryStream();
        await using var input = Console.OpenStandardInput();
        await input.CopyToAsync(whole, cancel);
        return whole.ToArray();
    }

    static JsonElement? ParseJson(ArgumentResult given)
    {
        try
        {
            return JsonElement.Parse(given.Tokens[0].Value);
        }
        catch (JsonException wrong)
        {
            given.AddError($"--data is not JSON: {wrong.Message}");
            return null;
        }
    }

    static Option<string?> Text(string name, string value, string description) =>
        new(name) { HelpName = value, Description = description };

    static Option<string[]> Texts(string name, string value, string description) =>
        new(name)
        {
            HelpName = value,
            Description = description,
            Arity = ArgumentArity.OneOrMore,
        };
}
