using Wake.Coordinator;
using Wake.Store;

namespace Wake.Tests.Waking;

/// <summary>What the coordinator decides from what it knows of a session, for everything it can know.</summary>
public sealed class DecidingAboutASession
{
    static readonly bool[] Either = [false, true];
    static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    // The turns that a session may have open, in the words of the store's columns.
    static readonly (string Name, OpenTurn? Turn)[] Turns =
    [
        ("none", null),
        ("dispatched", Turn()),
        ("held", Turn(lease: Minute)),
        ("held, given back before", Turn(lease: Minute, delay: Minute)),
        ("held, parked before", Turn(lease: Minute, person: true, parked: true)),
        ("backing off", Turn(delay: Minute)),
        ("withheld", Turn(delay: Minute) with { Withheld = true }),
        ("waits for a person", Turn(person: true, parked: true)),
        ("waits for a date", Turn(delay: Minute, parked: true)),
        ("its date has come", Turn(parked: true)),
    ];

    static readonly (string Name, bool Paused, TimeSpan? Remaining)[] Pauses =
    [
        ("", false, null),
        (", paused", true, null),
        (", paused for a minute", true, Minute),
    ];

    internal static readonly (string Name, SessionSnapshot Facts)[] All =
    [
        .. from turn in Turns
        from closed in Either
        from pending in Either
        from quiet in Either
        from woken in Either
        from pause in Pauses
        select (
            turn.Name
                + (closed ? ", closed" : "")
                + (pending ? ", pending" : "")
                + (quiet ? ", quiet window" : "")
                + (woken ? ", woken by a person" : "")
                + pause.Name,
            new SessionSnapshot("key", closed, pending, woken, LastWake: 7, turn.Turn)
            {
                Profile = "default",
                QuietRemaining = quiet ? Minute : null,
                Paused = pause.Paused,
                PauseRemaining = pause.Remaining,
            }
        ),
    ];

    [Fact]
    public void Of_a_closed_session_only_a_running_turn_is_waited_for() =>
        Decides(x => x.Closed, x => x.OpenTurn?.LeaseRemaining is null ? "Close 7" : "AwaitLease 7 in 00:01:00");

    [Fact]
    public void A_session_without_a_turn_is_woken_when_the_quiet_window_of_what_waits_is_over() =>
        Decides(
            x => x is { Closed: false, OpenTurn: null, Paused: false },
            x =>
                !x.HasPendingWake ? "Rest 7"
                : x.QuietRemaining is null ? "Dispatch 8"
                : "Collect 8"
        );

    [Theory]
    [InlineData("dispatched", "Repeat 7", "Repeat 7")]
    [InlineData("held", "AwaitLease 7 in 00:01:00", "AwaitLease 7 in 00:01:00")]
    [InlineData("held, given back before", "AwaitLease 7 in 00:01:00", "AwaitLease 7 in 00:01:00")]
    [InlineData("held, parked before", "AwaitLease 7 in 00:01:00", "AwaitLease 7 in 00:01:00")]
    [InlineData("backing off", "BackOff 7 in 00:01:00", "Repeat 7")]
    [InlineData("withheld", "BackOff 7 in 00:01:00", "BackOff 7 in 00:01:00")]
    [InlineData("waits for a person", "Park 7 in ", "Repeat 7")]
    [InlineData("waits for a date", "Park 7 in 00:01:00", "Repeat 7")]
    [InlineData("its date has come", "Repeat 7", "Repeat 7")]
    public void An_open_turn_comes_before_whatever_waits(string turn, string byItself, string wokenByAPerson)
    {
        var open = Turns.Single(x => x.Name == turn).Turn;

        Decides(
            x => x is { Closed: false, Paused: false } && x.OpenTurn == open,
            x => x.ManuallyWoken ? wokenByAPerson : byItself
        );
    }

    [Theory]
    [InlineData("dispatched", "AwaitPause 7 in ", "AwaitPause 7 in ")]
    [InlineData("held", "AwaitLease 7 in 00:01:00", "AwaitLease 7 in 00:01:00")]
    [InlineData("backing off", "BackOff 7 in 00:01:00", "AwaitPause 7 in ")]
    [InlineData("withheld", "BackOff 7 in 00:01:00", "BackOff 7 in 00:01:00")]
    [InlineData("waits for a person", "Park 7 in ", "AwaitPause 7 in ")]
    [InlineData("waits for a date", "Park 7 in 00:01:00", "AwaitPause 7 in ")]
    [InlineData("its date has come", "AwaitPause 7 in ", "AwaitPause 7 in ")]
    public void Nobody_breaks_through_a_pause(string turn, string byItself, string wokenByAPerson)
    {
        var open = Turns.Single(x => x.Name == turn).Turn;

        Decides(
            x => x is { Closed: false, Paused: true, PauseRemaining: null } && x.OpenTurn == open,
            x => x.ManuallyWoken ? wokenByAPerson : byItself
        );
    }

    [Fact]
    public void What_waits_in_a_paused_session_waits_for_the_end_of_that() =>
        Decides(
            x => x is { Closed: false, Paused: true, OpenTurn: null },
            x => x.HasPendingWake ? $"AwaitPause 8 in {x.PauseRemaining}" : "Rest 7"
        );

    static void Decides(Func<SessionSnapshot, bool> where, Func<SessionSnapshot, string> expected)
    {
        var some = All.Where(x => where(x.Facts)).ToList();

        Assert.NotEmpty(some);
        Assert.Equal(
            some.Select(x => $"{x.Name}: {expected(x.Facts)}"),
            some.Select(x => $"{x.Name}: {Text(WakeDecision.For(x.Facts))}")
        );
    }

    static string Text(WakeDecision decision) =>
        $"{decision.GetType().Name} "
        + $"{decision.WakeNumber}{(decision is WakeDecision.Wait wait ? $" in {wait.CheckIn}" : "")}";

    static OpenTurn Turn(TimeSpan? lease = null, TimeSpan? delay = null, bool person = false, bool parked = false) =>
        new(7, lease, delay, person, parked);
}
