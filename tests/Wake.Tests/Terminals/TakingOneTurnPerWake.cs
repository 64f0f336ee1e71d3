using System.Text.Json.Nodes;
using Wake.Contracts;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Terminals;

/// <summary>
/// An open session takes one turn about every wake, whatever is done in it and whatever is killed: the real CLI in a
/// real terminal, every service a process of its own.
/// </summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public sealed class TakingOneTurnPerWake : IAsyncLifetime
{
    const int Wakes = 200;

    static readonly (string What, int Weight)[] Kinds =
    [
        ("idle", 46),
        ("typed turn", 26),
        ("half typed", 20),
        ("after Esc", 22),
        ("Esc in its turn", 20),
        ("after a failure", 22),
        ("two at once", 12),
        ("/clear", 8),
        ("/compact", 8),
        ("waiter killed", 6),
        ("gateway killed", 4),
        ("coordinator killed", 3),
        ("window closed", 2),
        ("terminal killed", 1),
    ];

    readonly Random random = new(20261129);
    readonly List<string> reasons = [];
    OpenClaude open = null!;

    string Key => $"{open.Id}";

    public async Task InitializeAsync() => open = await OpenClaude.Start();

    public async Task DisposeAsync() => await open.DisposeAsync();

    [Fact]
    public async Task Whatever_is_done_in_the_session_and_whatever_is_killed()
    {
        await open.IsAttended();
        string[] plan = [.. Kinds.SelectMany(x => Enumerable.Repeat(x.What, x.Weight))];
        Assert.Equal(Wakes, plan.Length);
        random.Shuffle(plan);

        // The first: what was never woken ends with its terminal.
        await Wake("begin");
        await Ended();
        for (var number = 0; number < plan.Length; number++)
        {
            try
            {
                await Do(plan[number], number);
            }
            catch (Exception failed)
            {
                throw new InvalidOperationException(
                    $"{number}: {plan[number]}\n{await open.Terminal.Screen()}\n{await open.Describe()}",
                    failed
                );
            }
        }

        var turns = await open.Wake.Turns(Key);
        Assert.All(turns, x => Assert.Equal(TurnOutcome.Completed, x.Outcome));
        Assert.True(open.Waiters().Count <= 1);
        foreach (var transcript in open.Transcripts())
            AssertOneBranch(transcript);

        var told = open.Transcripts().SelectMany(x => x).Where(IsPrompt).Select(x => x.ToJsonString()).ToList();
        var often = reasons.Where(x => told.Count(y => y.Contains($"{x}.")) != 1).ToList();
        var ledger = await Ledger(turns.Where(x => x.Reasons.Any(y => often.Contains(y.TrimEnd('.')))));
        Assert.True(often is [], $"{string.Join("; ", often)}\n{ledger}");
    }

    async Task Do(string kind, int number)
    {
        var terminal = open.Terminal;
        switch (kind)
        {
            case "typed turn":
                await terminal.Type($"typed {number} [[delay:1]]");
                break;

            case "half typed":
                await terminal.TypeHalf($"half {number}");
                break;

            case "after Esc":
                await terminal.Type($"typed {number} [[delay:5]]");
                await IsBusy();
                await terminal.Press("Escape");
                break;

            case "after a failure":
                open.Api.Queue("[[http:529]]");
                await terminal.Type($"typed {number}");
                await open.Api.Next(x => x.IsInTail($"typed {number}"));
                await terminal.IsIdle();
                break;

            case "/clear"
            or "/compact":
                await terminal.Type(kind);
                break;

            case "waiter killed":
                foreach (var waiter in open.Waiters())
                    MachineProcess.Kill(waiter);
                break;

            case "window closed":
                await IsWritten();
                await terminal.Close();
                break;

            case "terminal killed":
                await IsWritten();
                MachineProcess.Kill(terminal.Id);
                break;
        }

        await Wake($"reason {number}, {kind}");
        switch (kind)
        {
            case "Esc in its turn":
                await Task.Delay(random.Next(250));
                await terminal.Press("Escape");
                break;

            case "two at once":
                await Wake($"second reason {number}");
                break;

            case "waiter killed":
                // The next hook arms another.
                await terminal.Type($"typed {number}");
                break;

            case "gateway killed"
            or "coordinator killed":
                await Task.Delay(random.Next(300));
                await open.Restart(kind == "gateway killed" ? "Wake.Gateway" : "Wake.Coordinator");
                break;
        }

        await Ended();
        if (kind is "window closed" or "terminal killed")
        {
            await open.Reopen();
            await open.IsAttended();
        }

        await open.Terminal.IsIdle();
        if (kind == "half typed")
            Assert.Contains($"half {number}", await terminal.Screen());
        if (kind is "half typed" or "after Esc" or "Esc in its turn")
            await open.Terminal.ClearLine();
    }

    async Task Wake(string reason)
    {
        reasons.Add(reason);
        await open.Wake.Wake(Key, $"{reason}.");
    }

    // The CLI writes a message down a moment after it has answered. Killed before, it has forgotten it.
    Task IsWritten() =>
        Eventually.Holds(
            () =>
                Task.FromResult(
                    open.Transcripts().SelectMany(x => x).Any(x => x.ToJsonString().Contains($"{reasons[^1]}."))
                ),
            "it is written down"
        );

    // All that was accepted has been handed over, and the turn is over.
    async Task Ended()
    {
        await Eventually.Holds(
            async () => await open.Wake.Show(Key) is { Inbox: 0, LastTurn.State: TurnState.Ended },
            $"the turn about {reasons[^1]} ends"
        );
    }

    Task<string> Ledger(IEnumerable<Turn> turns) =>
        open.Wake.Scalar<string>(
            """
            select coalesce(string_agg(format('%s %s %s %s', at, wake_number, kind, note), E'\n' order by seq), '')
            from decisions
            where wake_number = any ($1)
            """,
            (object)turns.Select(x => x.Number).ToArray()
        );

    Task IsBusy() =>
        Eventually.Holds(
            () =>
                Task.FromResult(
                    open.Terminal.Registered.TryGetProperty("status", out var status) && status.GetString() == "busy"
                ),
            "a turn is under way"
        );

    // A message of its own, or one that joined a turn under way.
    static bool IsPrompt(JsonObject row) =>
        (string?)row["type"] == "user"
        || (string?)row["type"] == "attachment" && (string?)row["attachment"]?["type"] == "queued_command";

    // From the last row back through all parents every wake is found.
    static void AssertOneBranch(IReadOnlyList<JsonObject> rows)
    {
        var byId = rows.Where(x => x["uuid"] is not null)
            .DistinctBy(x => (string)x["uuid"]!)
            .ToDictionary(x => (string)x["uuid"]!);
        var leaf = rows.LastOrDefault(x =>
            (string?)x["type"] is "user" or "assistant" && (bool?)x["isSidechain"] != true
        );
        HashSet<string> branch = [];
        for (var row = leaf; row is not null && branch.Add((string)row["uuid"]!); )
            row = ((string?)row["parentUuid"] ?? (string?)row["logicalParentUuid"]) is { } parent
                ? byId.GetValueOrDefault(parent)
                : null;

        Assert.All(
            rows.Where(x => IsPrompt(x) && x.ToJsonString().Contains("<wake-events-", StringComparison.Ordinal)),
            x => Assert.Contains((string)x["uuid"]!, branch)
        );
    }
}
