using FsCheck;
using FsCheck.Fluent;
using Wake.Contracts;
using Wake.Store;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

/// <summary>
/// However events, duplicates, crashes and endings are interleaved: what the sessions were told is what was accepted,
/// each fact once. The store and the saga are the real ones; the test is the clock, the wires and the runners, and
/// loses and repeats what it likes.
/// </summary>
public sealed class AnyInterleaving(TestStore store) : IClassFixture<TestStore>, IAsyncLifetime
{
    const int Sessions = 3;

    // So short that by the next step whatever was not done in time is due again.
    static readonly TimeSpan Instant = TimeSpan.FromMilliseconds(1);
    static readonly TimeSpan Long = TimeSpan.FromMinutes(10);

    TestStore Store => store;

    LoopbackCoordinator coordinator = null!;
    int runs;

    public async Task InitializeAsync() => coordinator = await LoopbackCoordinator.Start(store, repeatAfter: Instant);

    public async Task DisposeAsync() => await coordinator.DisposeAsync();

    [Fact]
    public async Task Tells_every_session_every_fact_once()
    {
        var step = Gen.Choose(0, 99)
            .Zip(Gen.Choose(0, Sessions - 1))
            .Zip(Gen.Choose(0, 5))
            .Select(x => (Kind: x.Item1.Item1, Session: x.Item1.Item2, Fact: x.Item2));

        await Task.Run(() =>
            Check.One(
                Config.QuickThrowOnFailure.WithMaxTest(60).WithEndSize(80),
                Prop.ForAll(step.ListOf().ToArbitrary(), steps => Holds([.. steps]).GetAwaiter().GetResult())
            )
        );
    }

    async Task<bool> Holds(List<(int Kind, int Session, int Fact)> steps)
    {
        var run = Interlocked.Increment(ref runs);
        var world = new World(this, [.. Enumerable.Range(0, Sessions).Select(x => $"run {run} session {x}")]);
        while (coordinator.Commands.TryRead(out _)) { }
        foreach (var key in world.Keys)
            await store.Session(key);

        foreach (var (kind, session, fact) in steps)
            await world.Do(kind, session, fact);
        await world.Drain();

        return world.Judge();
    }

    /// <summary>The outside of one run, and what was seen from there.</summary>
    sealed class World(AnyInterleaving test, string[] keys)
    {
        readonly Dictionary<string, List<string>> accepted = keys.ToDictionary(x => x, _ => new List<string>());
        readonly Dictionary<(string Key, int Wake), List<List<string>>> told = [];
        readonly HashSet<(string, int)> ended = [];
        readonly List<ClaimedTurn> held = [];
        readonly List<ResumeSession> heard = [];

        // Of the subject that a session watches for one event at a time: who does, and what nobody has heard of yet.
        readonly HashSet<string> waiting = [];
        readonly Dictionary<string, List<(bool Wakes, string Reason)>> unheard = keys.ToDictionary(
            x => x,
            _ => new List<(bool, string)>()
        );

        public string[] Keys => keys;

        public async Task Do(int kind, int session, int fact)
        {
            switch (kind)
            {
                case < 20:
                    await Observe(keys[session], fact, Delivery.Wake);
                    break;
                case < 24:
                    await WatchOnce(keys[session]);
                    break;
                case < 30:
                    await ObserveOnce(keys[session], fact, fact % 2 == 0 ? Delivery.Ambient : Delivery.Wake);
                    break;
                case < 36:
                    await Observe(keys[session], fact, Delivery.Ambient);
                    break;
                case < 40:
                    await Observe(keys[session], fact, Delivery.Wake, urgent: true);
                    break;
                case < 50:
                    await test.coordinator.Sweep();
                    break;
                case < 57: // by itself each, as an older coordinator has it
                    await Sweep(tell: true);
                    break;
                case < 61: // the coordinator dies between commit and publish
                    await test.coordinator.Sweep();
                    while (test.coordinator.Commands.TryRead(out _)) { }
                    break;
                case < 65:
                    await Sweep(tell: false);
                    break;
                case < 76:
                    await Claim(Long);
                    break;
                case < 82: // the same command reaches another runner
                    await Claim(Long, again: true);
                    break;
                case < 89: // the runner dies at once
                    await Claim(Instant);
                    break;
                case < 95:
                    await EndOne(say: true);
                    break;
                case < 97: // the runner dies before it says so
                    await EndOne(say: false);
                    break;
                default:
                    await GiveBackOne();
                    break;
            }
        }

        /// <summary>Nothing fails any more; everything comes to rest.</summary>
        public async Task Drain()
        {
            foreach (var turn in held.ToList())
                await End(turn, say: false);

            for (var round = 0; round < 200; round++)
            {
                // Time passes: whatever is owed is due.
                await test.Store.Timers.Recover("test", CancellationToken.None);
                await test.coordinator.Sweep();
                while (await Claim(Long)) { }
                while (await EndOne(say: true)) { }

                if (
                    await test.Store.Scalar<long>(
                        "select count(*) from wake_timers t join sessions s on s.id = t.session_id where s.key = "
                            + "any ($1) and t.due_at is not null",
                        (object)keys
                    ) == 0
                )
                    return;
            }

            throw new InvalidOperationException("It never comes to rest.");
        }

        public bool Judge()
        {
            foreach (var key in keys)
            {
                var wakes = told.Where(x => x.Key.Key == key).OrderBy(x => x.Key.Wake).ToList();
                var all = wakes.SelectMany(x => x.Value[0]).ToList();

                // Ambient facts that came last start no turn and wait on.
                var missing = accepted[key].Except(all).ToList();
                Assert.All(missing, x => Assert.StartsWith("ambient", x));
                Assert.Equal(all.Distinct(), all);
                Assert.Empty(all.Except(accepted[key]));

                Assert.Equal(Enumerable.Range(1, wakes.Count), wakes.Select(x => x.Key.Wake));
                Assert.All(wakes, x => Assert.All(x.Value, attempt => Assert.Equal(x.Value[0], attempt)));
                Assert.All(wakes, x => Assert.Contains(x.Key, ended));
                Assert.All(
                    wakes,
                    x => Assert.Contains(x.Value[0], reason => reason.StartsWith("wake", StringComparison.Ordinal))
                );
            }

            return true;
        }

        async Task Observe(string key, int fact, Delivery delivery, bool urgent = false)
        {
            var observed = WakeSystem.Event(
                key,
                $"{fact}",
                delivery,
                reason: $"{(delivery is Delivery.Wake ? "wake" : "ambient")} {fact}"
            ) with
            {
                Urgent = urgent,
            };
            if ((await test.Store.Accept(observed))[0].Outcome is IntakeOutcome.Routed)
                accepted[key].Add(observed.Reason);
        }

        static string Once(string key) => $"once:{key}";

        // It hears what nobody has heard of yet: all that waits for a turn, and of what starts one the newest, which
        // ends it.
        async Task WatchOnce(string key)
        {
            if (waiting.Contains(key))
                return;

            var (_, found, ended) = (
                await test.Store.Watches.Create(key, new(Once(key)) { Once = true }, CancellationToken.None)
            )!.Value;
            var last = unheard[key].FindLastIndex(x => x.Wakes);
            var told = unheard[key].Where((x, i) => x.Wakes ? i == last : last < 0 || i < last).ToList();

            Assert.Equal((told.Count, last >= 0), (found, ended));
            accepted[key].AddRange(told.Select(x => x.Reason));
            unheard[key].RemoveAll(told.Contains);
            if (!ended)
                waiting.Add(key);
        }

        async Task ObserveOnce(string key, int fact, Delivery delivery)
        {
            var observed = WakeSystem.Event(
                Once(key),
                $"{fact}",
                delivery,
                reason: $"{(delivery is Delivery.Wake ? "wake" : "ambient")} once {fact}"
            );
            var outcome = (await test.Store.Accept(observed))[0].Outcome;
            if (outcome is IntakeOutcome.Duplicate)
                return;

            Assert.Equal(waiting.Contains(key) ? IntakeOutcome.Routed : IntakeOutcome.Unwatched, outcome);
            if (outcome is IntakeOutcome.Unwatched)
                unheard[key].Add((delivery is Delivery.Wake, observed.Reason));
            else
                accepted[key].Add(observed.Reason);
            if (delivery is Delivery.Wake)
                waiting.Remove(key);
        }

        async Task Sweep(bool tell)
        {
            foreach (var session in (await test.Store.Timers.ClaimDue(100, Instant, CancellationToken.None)).Due)
            {
                if (tell)
                    await test.coordinator.Tell(new WakeDue(session));
            }
        }

        // A new command, or one that was heard before: the broker delivers again what it likes.
        async Task<bool> Claim(TimeSpan lease, bool again = false)
        {
            ResumeSession? command = null;
            if (again && heard is [.., var last])
                command = last;
            else if (test.coordinator.Commands.TryRead(out command))
                heard.Add(command);

            if (command is null)
                return false;

            if (
                await test.Store.Turns.Claim(
                    command.SessionId,
                    command.WakeNumber,
                    "test",
                    lease,
                    CancellationToken.None
                )
                is TurnClaim.Granted { Turn: var turn }
            )
            {
                Assert.DoesNotContain(held, x => x.SessionId == turn.SessionId);
                Attempts(turn).Add([.. turn.Events.Select(x => x.Reason)]);
                if (lease == Long)
                    held.Add(turn);
            }

            return true;
        }

        async Task<bool> EndOne(bool say)
        {
            if (held is not [var turn, ..])
                return false;

            await End(turn, say);
            return true;
        }

        async Task End(ClaimedTurn turn, bool say)
        {
            held.Remove(turn);
            if (!await test.Store.Turns.EndTurn(turn, TurnOutcome.Completed, null, default, CancellationToken.None))
                return;

            Assert.True(ended.Add((turn.SessionKey, turn.WakeNumber)), "A turn ended twice.");
            if (say)
                await test.coordinator.Tell(new TurnEnded(turn.SessionId, turn.WakeNumber, TurnOutcome.Completed));
        }

        async Task GiveBackOne()
        {
            if (held is not [var turn, ..])
                return;

            held.Remove(turn);
            await test.Store.Turns.Release(
                turn,
                new TurnRelease.Retry(TimeSpan.Zero, "test"),
                false,
                default,
                CancellationToken.None
            );
        }

        List<List<string>> Attempts(ClaimedTurn turn) =>
            told.TryGetValue((turn.SessionKey, turn.WakeNumber), out var attempts)
                ? attempts
                : told[(turn.SessionKey, turn.WakeNumber)] = [];
    }
}
