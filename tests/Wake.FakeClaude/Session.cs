using System.Text.Json.Nodes;

namespace Wake.FakeClaude;

/// <summary>
/// One conversation: takes messages from stdin, refuses those it knows, and runs one turn after the other. Input is
/// heard on a thread of its own, so that an interrupt reaches a running turn; `gate` orders what both threads say about
/// the queue.
/// </summary>
sealed class Session(Cli cli, string id, Transcript transcript, IReadOnlyList<Step> orders)
{
    /// <summary>A resumed turn leaves a message this long to arrive first, as the real program's slower start
    /// does.</summary>
    static readonly TimeSpan HeadStart = TimeSpan.FromMilliseconds(100);

    readonly object gate = new();
    readonly Queue<UserMessage> waiting = [];
    readonly HashSet<string> accepted = [];

    // As the transcript was when the process started.
    readonly LastTurn? before = transcript.LastTurn;

    IReadOnlyList<Step> orders = orders;
    bool isBusy;
    bool isClosed;
    bool hasHeard;
    bool failed;
    int results;
    double costUsd = transcript.CostUsd;

    /// <summary>The turn this process goes on with, whether or not a message asks for it.</summary>
    LastTurn? Unfinished =>
        before switch
        {
            { State: TurnState.Deferred } => before,
            { State: TurnState.Cut } when Cli.RerunsCutTurns => before,
            _ => null,
        };

    public string Id => id;
    public Cli Cli => cli;
    public Transcript Transcript => transcript;
    public Frames Frames { get; } = new(cli.Arguments, cli.Version, id);

    /// <summary>Null while the session is idle.</summary>
    public Turn? Running { get; private set; }

    /// <summary>Runs until stdin is closed and every message has had its turn; returns the exit code.</summary>
    public int Run()
    {
        var reader = new Thread(new Input(this, cli).Read) { IsBackground = true };
        var first = Unfinished is { } cut ? Turn.Resuming(this, cut) : null;

        // Nothing is heard before the resumed turn has announced itself.
        lock (gate)
        {
            reader.Start();
            if (first is not null)
                Begin(first);
        }

        if (first is not null)
            Finish(first);

        while (Next() is { } turn)
            Finish(turn);

        // A process that was given nothing to do leaves no trace.
        if (results > 0)
            transcript.Unchained(new() { ["type"] = "cost-state", ["totalCostUSD"] = costUsd });

        Thread.Sleep(cli.Linger);
        return failed ? 1 : 0;
    }

    public void Emit(JsonObject frame) => cli.Output.Line(frame);

    public void EmitState(string state)
    {
        if (Cli.EmitsStates)
            Emit(Frames.State(state));
    }

    public void EmitResult(TurnReport report, bool newline = true)
    {
        costUsd += report.CostUsd;

        var result = Frames.Result(report, costUsd);
        result["queued_turn_count"] = 0;
        result["result_index"] = results++;

        cli.Output.Bytes(newline ? [.. result.ToBytes(), (byte)'\n'] : result.ToBytes());
        cli.Config.Write(
            new()
            {
                ["event"] = "result",
                ["session"] = id,
                ["message"] = report.Messages is [var first, ..] ? first : null,
                ["isError"] = report.Ending.IsError,
            }
        );
    }

    public void Log(string kind, string? message) =>
        cli.Config.Write(
            new()
            {
                ["event"] = "turn",
                ["session"] = id,
                ["message"] = message,
                ["kind"] = kind,
            }
        );

    /// <summary>Verbs from the start-up file that wait for a turn; the first turn takes them.</summary>
    public IReadOnlyList<Step> TakeStartSteps() => Interlocked.Exchange(ref orders, []);

    public void AwaitFirstMessage()
    {
        lock (gate)
        {
            if (!hasHeard)
                Monitor.Wait(gate, HeadStart);
        }
    }

    public void Receive(UserMessage message)
    {
        lock (gate)
        {
            if (message.Uuid is { } uuid && !IsNews(uuid))
            {
                Refuse(message, uuid);
            }
            else
            {
                accepted.Add(message.RowUuid);
                BecomeBusy();
                if (message.Uuid is { } mine)
                    Emit(Frames.Lifecycle(mine, "queued"));
                waiting.Enqueue(message);
            }

            hasHeard = true;
            Monitor.PulseAll(gate);
        }
    }

    /// <summary>Answers first, then stops the turn, as the real program does; an idle session only answers.</summary>
    public void Interrupt(string requestId)
    {
        lock (gate)
        {
            var question = Running?.Questions.Withdraw();
            var stillQueued = new JsonArray([.. waiting.Select(x => JsonValue.Create(x.RowUuid))]);
            Emit(ControlFrames.Success(requestId, new() { ["still_queued"] = stillQueued }));

            if (question is not null)
            {
                EmitState("running");
                Running?.Deny(question);
            }

            Running?.Stop();
        }
    }

    public void End(string requestId)
    {
        lock (gate)
        {
            Emit(ControlFrames.Success(requestId));
            waiting.Clear();
            isClosed = true;
            Running?.Stop();
            Monitor.PulseAll(gate);
        }
    }

    /// <summary>A running turn is finished and its result printed, except that nobody is left to answer a
    /// question.</summary>
    public void Close()
    {
        lock (gate)
        {
            isClosed = true;
            hasHeard = true;
            if (Running?.Questions.Withdraw() is not null)
            {
                EmitState("running");
                Running.Stop();
            }

            Monitor.PulseAll(gate);
        }
    }

    /// <summary>Something the session does without having been asked, between the turns of messages.</summary>
    public void Unasked(Action act)
    {
        lock (gate)
            BecomeBusy();

        act();
        Settle();
    }

    Turn? Next()
    {
        lock (gate)
        {
            while (waiting.Count == 0 && !isClosed)
                Monitor.Wait(gate);

            return waiting.TryDequeue(out var message) ? Begin(Turn.For(this, message)) : null;
        }
    }

    Turn Begin(Turn turn)
    {
        BecomeBusy();
        Running = turn;
        turn.Announce();
        return turn;
    }

    void Finish(Turn turn)
    {
        failed = turn.Run().IsError;
        Settle();
        foreach (var act in turn.Afterwards)
            act();
    }

    void BecomeBusy()
    {
        if (!isBusy)
            EmitState("running");
        isBusy = true;
    }

    void Settle()
    {
        lock (gate)
        {
            if (Running?.Acknowledges is { } resent)
                Emit(Frames.Lifecycle(resent, "completed"));

            Running = null;
            isBusy = waiting.Count > 0;
            if (!isBusy)
                EmitState("idle");
        }
    }

    // Without the variable a message that was never answered is taken as if it were new; one that was partly answered
    // is not.
    bool IsNews(string uuid) =>
        !accepted.Contains(uuid)
        && (
            !transcript.Found(uuid)
            || (!Cli.RerunsCutTurns && before is { State: TurnState.Cut, IsAnswered: false } && before.Uuid == uuid)
        );

    void Refuse(UserMessage message, string uuid)
    {
        if (cli.Arguments.ReplaysUserMessages)
            Emit(Frames.Replay(message, takenUp: false));

        if (Unfinished is { IsAnswered: false } && Unfinished.Uuid == uuid && Running is { } rerun)
            rerun.Acknowledges = uuid;
        else if (!accepted.Contains(uuid))
            Emit(Frames.Lifecycle(uuid, "completed"));

        // The message of a turn that is being run again is no duplicate: that turn is its turn.
        if (Unfinished?.Uuid != uuid)
            Log("duplicate", uuid);
        if (!isBusy)
            EmitState("idle");
    }
}
