using System.CommandLine;
using Wake.Benchmarks;
using Wake.Testing;

string[] all =
[
    "storm",
    "large",
    "single",
    "follow-up",
    "growth",
    "scale",
    "batches",
    "cold",
    "warm",
    "idle",
    "start",
    "open",
    "attended",
    "reading",
    "console",
    "held",
];

var kinds = new Argument<string[]>("kind")
{
    Description = """
        What to measure; everything when none is named.
        storm: 20,000 messages for 1,000 sessions at once, with windows of 0.5 s and 10 s.
        large: the same with 100,000 messages for 1,000 sessions and 200,000 for 10,000.
        single: 500 events one at a time, from publishing to ResumeSession.
        follow-up: 500 turns of one session, each decided when the one before ends: from TurnEnded to ResumeSession.
        growth: the cost of a wake in a store with a long life behind it.
        scale: the same store still larger: an event's way to its turn there, and that nothing reads a large table from end to end.
        batches: 500 events at a time, in process and over HTTP, and what a duplicate costs.
        cold: what Wake adds to the start of the real claude.
        warm: a wake of a session whose claude stayed, and what twenty of those hold.
        idle: what Wake takes while nothing happens.
        start: wake up, wake publish and wake resume as whole processes, beside an empty program.
        open: what the plugin adds to the start of the real claude in a terminal.
        attended: an event's way to the model in a session that is open in a terminal, beside the barest hook that wakes one.
        reading: lists and look-ups in a store of a million events, beside statements written by hand.
        console: what each page of a console asks of a store of a million events and 300,000 turns.
        held: a session with 1,000 events that a pause holds, and with 10,000.
        """,
    Arity = ArgumentArity.ZeroOrMore,
};
kinds.AcceptOnlyFromAmong(all);

var repetitions = new Option<int>("--repetitions")
{
    Description = "How often each is measured.",
    DefaultValueFactory = _ => 5,
    HelpName = "N",
};
repetitions.Validators.Add(result =>
{
    if (result.Tokens is [var given] && !(int.TryParse(given.Value, out var number) && number > 0))
        result.AddError("--repetitions must be a number above 0.");
});
var input = new Option<FileInfo>("--in")
{
    Description =
        "Takes the messages of storm, single and batches from lines of "
        + "{eventId,dedupKey,source,type,subject,reason,data}.",
    HelpName = "FILE",
};
input.AcceptExistingOnly();

var sessions = Number("--sessions", 100_000, "Open sessions in the store of scale.");
var events = Number("--events", 2_800_000, "Events in it.");
var watches = Number("--watches", 300_000, "Watches in it.");

var root = new RootCommand(
    """
    Measures Wake beside what the bare RabbitMQ and PostgreSQL of the same run do with the same messages.

    Prints a line of JSON per repetition, and at the end medians with least and greatest. Ends with 1 when a figure is not
    as it must be.
    """
)
{
    kinds,
    repetitions,
    input,
    sessions,
    events,
    watches,
};
root.SetAction(
    async (result, cancel) =>
    {
        var figures = new BenchmarkResults();
        var (chosen, times, file) = (
            result.GetValue(kinds) is { Length: > 0 } named ? named : all,
            result.GetValue(repetitions),
            result.GetValue(input)
        );

        // What is measured must survive a power cut, as it must in production.
        Servers.Durable = true;
        try
        {
            var messages = file is null ? Messages.Generate(1000, 4, 5) : Messages.Read(file);
            var store = new LargeStore(result.GetValue(sessions), result.GetValue(events), result.GetValue(watches));
            foreach (var kind in chosen)
                await Measure(kind, figures, messages, generated: file is null, times, store).WaitAsync(cancel);

            return figures.Print() ? 0 : 1;
        }
        catch (Exception wrong) when (wrong is FormatException or OperationCanceledException)
        {
            await Console.Error.WriteLineAsync(wrong is FormatException ? wrong.Message : "Stopping.");
            return 2;
        }
        finally
        {
            await Servers.Stop();
        }
    }
);

return await root.Parse(args).InvokeAsync(new() { ProcessTerminationTimeout = TimeSpan.FromSeconds(30) });

static Option<int> Number(string name, int standard, string description)
{
    var option = new Option<int>(name)
    {
        Description = description,
        DefaultValueFactory = _ => standard,
        HelpName = "N",
    };
    option.Validators.Add(result =>
    {
        if (result.Tokens is [var given] && !(int.TryParse(given.Value, out var number) && number >= 1_000))
            result.AddError($"{name} must be a number from 1000.");
    });
    return option;
}

static async Task Measure(
    string kind,
    BenchmarkResults figures,
    Messages messages,
    bool generated,
    int times,
    LargeStore store
)
{
    var (half, ten) = (TimeSpan.FromMilliseconds(500), TimeSpan.FromSeconds(10));
    switch (kind)
    {
        case "storm":
            await Storm.Run(figures, messages, half, times);
            await Storm.Run(figures, messages, ten, times);
            break;
        case "large":
            await Storm.Run(figures, Messages.Generate(1000, 20, 5), half, times);
            await Storm.Run(figures, Messages.Generate(10_000, 4, 5), half, times);
            break;
        case "single":
            await SingleEvents.Run(figures, generated ? Messages.Generate(500, 1, 1) : messages.Firsts(), times);
            break;
        case "follow-up":
            await FollowUps.Run(figures, Messages.Generate(1, 500, 1), times);
            break;
        case "growth":
            await StoreGrowth.Run(figures, times);
            break;
        case "scale":
            await Scale.Run(figures, store, times);
            break;
        case "batches":
            await Batches.Run(figures, messages, times);
            break;
        case "cold":
            await Resuming.Cold(figures, times);
            break;
        case "warm":
            await Resuming.Warm(figures, times);
            break;
        case "idle":
            await Idle.Run(figures, times);
            break;
        case "start":
            await Starting.Run(figures, times);
            break;
        case "open":
            await Opening.Run(figures, times);
            break;
        case "attended":
            await WakingInPlace.Run(figures, times);
            break;
        case "reading":
            await Reading.Run(figures, times);
            break;
        case "console":
            await ConsolePages.Run(figures, times);
            break;
        case "held":
            await HeldBacklog.Run(figures, times);
            break;
    }
}
