using System.CommandLine;
using RabbitMQ.Client.Exceptions;
using Wake.Coordinator;
using Wake.ServiceDefaults;

namespace Wake.Cli;

/// <summary><c>wake redrive</c>: lists dead-lettered messages and republishes them.</summary>
sealed class RedriveCommand : WakeCommand
{
    readonly Option<bool> all = CommonOptions.Flag("--all", "Send every one of them again.");

    readonly Option<string?> matching = new("--matching")
    {
        HelpName = "TEXT",
        Description = "Send those again in whose reason or text this stands.",
    };

    readonly Option<bool> trust = CommonOptions.Flag(
        "--trust",
        "With --all or --matching: republish as a trusted publisher. Without it, urgent events and events that name "
            + "sessions are rejected when their original publisher was not trusted."
    );

    readonly Option<string[]> queues = new("--queue")
    {
        HelpName = "NAME",
        Description = "One more queue to look into, for instance resume-session-POOL_error. May be repeated.",
    };

    readonly Option<string?> broker = new("--broker")
    {
        HelpName = "URL",
        Description =
            "Default: MessageBus__Host, as a file in WAKE_SECRETS or as a variable. A password is better kept there "
            + "than on a command line.",
    };

    public RedriveCommand()
        : base(
            "redrive",
            "Lists dead-lettered messages with the reason, and republishes them once the cause is fixed.",
            """
            Without --all and --matching nothing is sent. Sending is safe to repeat: an event that was taken in already is a duplicate,
            and a turn is claimed once. What still cannot be handled comes back with its reason. A Wake in one process has no broker,
            and nothing to redrive: what is wrong in its spool folder lies in spool/bad.

            Examples:
              wake redrive
              wake redrive --all
              wake redrive --matching "PostgreSQL refuses it"
            """
        )
    {
        Add(all);
        Add(matching);
        Add(trust);
        Add(queues);
        Add(broker);
        Add(CommonOptions.Output);
        SetAction(Execute);
    }

    async Task<int> Execute(ParseResult given, CancellationToken cancel)
    {
        var output = new Output(given.GetValue(CommonOptions.Output) == "json");
        var (everything, text) = (given.GetValue(all), given.GetValue(matching));
        if (everything && text is not null)
            throw new CommandException("Either --all or --matching.");

        await using var deadLetters = await Connect(given.GetValue(broker), cancel);
        var found = await Output.Progress(
            "Looking",
            async show =>
            {
                List<ListedDeadLetter> found = [];
                foreach (var queue in DeadLetterQueues.Queues.Concat(given.GetValue(queues) ?? []).Distinct())
                {
                    show(queue);
                    if (await deadLetters.GoThrough(queue, Decide, cancel) is { } lying)
                        found.AddRange(lying.Select(ListedDeadLetter.From));
                    else if (!DeadLetterQueues.Queues.Contains(queue))
                        throw new CommandException($"There is no queue {queue}.");
                }

                return found;
            }
        );

        if (output.Json)
            output.Raw([.. found], CliJson.Default.ListedDeadLetterArray);
        else
            Show(found, sending: everything || text is not null, output);
        return 0;

        DeadLetterFate Decide(DeadLetter deadLetter) =>
            !IsChosen(deadLetter) ? DeadLetterFate.Stays
            : given.GetValue(trust) ? DeadLetterFate.RedrivenInOwnName
            : DeadLetterFate.Redriven;

        bool IsChosen(DeadLetter deadLetter) =>
            everything
            || (
                text is not null
                && (
                    deadLetter.Reason.Contains(text, StringComparison.Ordinal)
                    || deadLetter.Body.Contains(text, StringComparison.Ordinal)
                )
            );
    }

    static void Show(List<ListedDeadLetter> found, bool sending, Output output)
    {
        foreach (var deadLetter in found)
        {
            output.Line($"{deadLetter.Queue}{(deadLetter.Redriven ? "  sent again" : "")}");
            output.Line($"  {deadLetter.Reason}");
            output.Line($"  [dim]{deadLetter.Body}[/]");
        }

        if (found is [])
            output.Line($"Nothing lies aside.");
        else if (sending)
            output.Line($"{found.Count(x => x.Redriven)} of {found.Count} sent again.");
        else
            output.Line($"{found.Count} could not be handled. wake redrive --all sends them again.");
    }

    static async Task<DeadLetterQueues> Connect(string? given, CancellationToken cancel)
    {
        var address =
            given
            ?? SecretFiles.Load(Environment.GetEnvironmentVariable(SecretFiles.DirectoryVariable))["MessageBus:Host"]
            ?? Environment.GetEnvironmentVariable("MessageBus__Host");
        if (address is null or "")
            throw new CommandException(
                "No broker is named. Set MessageBus__Host as for the services, or WAKE_SECRETS where it is a file "
                    + "there, or say --broker."
            );
        if (!Uri.TryCreate(address, UriKind.Absolute, out var host) || !MessageBusOptions.IsRabbitMq(host))
            throw new CommandException("The broker's address is to be like rabbitmq://user:password@host:5672/vhost.");

        try
        {
            return await DeadLetterQueues.Connect(new() { Host = host }, cancel);
        }
        catch (BrokerUnreachableException refused)
        {
            throw new CommandException(
                $"No connection to RabbitMQ at {host.Host}: {refused.GetBaseException().Message}"
            );
        }
    }
}

/// <summary>A dead letter as the command says it.</summary>
/// <param name="Queue">Where it lies, or lay.</param>
/// <param name="Reason">Why it could not be handled.</param>
/// <param name="Body">What it says: its beginning.</param>
/// <param name="Redriven">Whether it was sent again.</param>
sealed record ListedDeadLetter(string Queue, string Reason, string Body, bool Redriven)
{
    public static ListedDeadLetter From(DeadLetter found) =>
        new(found.Queue, found.Reason, found.Body, found.Fate is not DeadLetterFate.Stays);
}
