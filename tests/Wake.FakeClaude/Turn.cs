using System.Text.Json.Nodes;

namespace Wake.FakeClaude;

/// <summary>One turn, top to bottom: the message's row, the init line, what its markers ask for, the reply, the
/// result.</summary>
sealed class Turn
{
    readonly Session session;
    readonly UserMessage? message;
    readonly LastTurn? resumed;
    readonly IReadOnlyList<Step> steps;
    readonly string? commandUuid;
    readonly object changed = new();
    readonly JsonArray permissionDenials = [];
    bool stopped;
    bool stoppedBySignal;

    Turn(Session session, UserMessage? message, LastTurn? resumed)
    {
        (this.session, this.message, this.resumed) = (session, message, resumed);

        // A turn that nobody sent a message for goes by an id of its own.
        commandUuid = message is null ? Guid.NewGuid().ToString() : message.Uuid;
        steps = [.. session.TakeStartSteps(), .. Script.In(message?.Text ?? Json.Prose(resumed!.Content) ?? "")];
        Writer = new(session, message, Credited, IsRerun);
        Questions = new(this);
    }

    public Session Session => session;
    public TurnWriter Writer { get; }
    public Questions Questions { get; }

    /// <summary>A resent message whose turn this is; it is told when the turn is over.</summary>
    public string? Acknowledges { get; set; }

    /// <summary>In place of what the requests of this turn would cost.</summary>
    public double? CostUsd { get; set; }

    /// <summary>What the reply adds to its usual sentence.</summary>
    public string Remark { get; set; } = "";

    public List<Action> BeforeResult { get; } = [];

    /// <summary>What still happens once the session is idle again.</summary>
    public List<Action> Afterwards { get; } = [];

    public bool EndsWithoutNewline { get; set; }

    IReadOnlyList<string> Credited =>
        (message, resumed) switch
        {
            ({ } x, _) => x.Uuids,
            (_, { State: TurnState.Deferred }) => [],
            (_, { } x) => [x.Uuid],
            _ => [],
        };

    bool IsRerun => message is null && resumed is { State: TurnState.Cut };

    int ToolsInHistory =>
        resumed switch
        {
            null => 0,
            { OpenToolCall: not null } x when x.State == TurnState.Deferred || Cli.ShowsCutOffCalls => x.ToolsDone + 1,
            var x => x.ToolsDone,
        };

    /// <summary>A turn for a message. Its row may be there already, left by a process that died before it
    /// answered.</summary>
    public static Turn For(Session session, UserMessage message) =>
        new(session, message, session.Transcript.LastTurn is { } last && last.Uuid == message.Uuid ? last : null);

    /// <summary>A turn that goes on where an earlier process stopped.</summary>
    public static Turn Resuming(Session session, LastTurn last) => new(session, null, last);

    public void Announce()
    {
        if (commandUuid is not null)
            session.Emit(session.Frames.Lifecycle(commandUuid, "started"));
    }

    public Ending Run()
    {
        session.Log(resumed is null ? "run" : "rerun", resumed?.Uuid ?? message!.RowUuid);

        Ending ending;
        try
        {
            ending = Play();
        }
        // The only cancellation there is: an interrupt, a signal, or a question nobody is left to answer.
        catch (OperationCanceledException)
        {
            ending = Abort();
        }

        End(ending);
        return ending;
    }

    /// <summary>Sleeps, unless the turn is stopped meanwhile.</summary>
    public void Wait(TimeSpan time)
    {
        lock (changed)
        {
            if (!stopped)
                Monitor.Wait(changed, time);
            ThrowIfStopped();
        }
    }

    /// <summary>Waits until there is something, and looks again whenever the turn is rung.</summary>
    public T WaitFor<T>(Func<T?> find)
        where T : class
    {
        lock (changed)
        {
            while (true)
            {
                ThrowIfStopped();
                if (find() is { } found)
                    return found;
                Monitor.Wait(changed);
            }
        }
    }

    public void Signal()
    {
        lock (changed)
            Monitor.PulseAll(changed);
    }

    public void Stop(bool bySignal = false)
    {
        lock (changed)
        {
            (stopped, stoppedBySignal) = (true, stoppedBySignal || bySignal);
            Monitor.PulseAll(changed);
        }
    }

    /// <summary>A tool call that was not allowed; the result lists it.</summary>
    public void Deny(JsonObject call) =>
        permissionDenials.Add(
            (JsonNode)
                new JsonObject
                {
                    ["tool_name"] = call.Text("name"),
                    ["tool_use_id"] = call.Text("id"),
                    ["tool_input"] = call["input"]?.DeepClone(),
                }
        );

    Ending Play()
    {
        var deferredAgain = Begin();

        foreach (var step in Due(steps))
            if (TurnVerbs.BeforeInit.TryGetValue(step.Verb, out var prepare))
                prepare(this, step.Argument);

        session.Emit(session.Frames.Init(Credited));
        if (deferredAgain is not null)
            return deferredAgain;

        foreach (var step in Due(steps.Skip(AfterTool(ToolsInHistory))))
            if (Do(step) is { } ending)
                return ending;

        ThrowIfStopped();
        return new Ending.Completed(
            Writer.LastText ?? $"I have seen {session.Transcript.Prompts} user messages.{Remark}"
        );
    }

    /// <summary>The rows a turn starts with; returns an ending when a deferred call is deferred once more.</summary>
    Ending? Begin()
    {
        if (resumed is null)
        {
            session.Transcript.Prompt(message!.Content, message.RowUuid);
            return null;
        }

        if (message is not null)
        {
            session.Transcript.NoResponse();
            return null;
        }

        session.AwaitFirstMessage();
        if (resumed.State == TurnState.Deferred && Questions.Decide(resumed.OpenToolCall!) is { } ending)
            return ending;
        if (resumed is { State: TurnState.Cut, OpenToolCall: { } call } && Cli.ShowsCutOffCalls)
            Writer.LoseTool(call);

        session.Transcript.Continue();
        return null;
    }

    IEnumerable<Step> Due(IEnumerable<Step> from) => from.Where(x => x.AppliesTo(resumed?.NextAttempt ?? 1));

    // A turn that is run again has its finished tool calls in its history and does not make them twice.
    int AfterTool(int number)
    {
        var position = 0;
        for (var i = 0; i < steps.Count && number > 0; i++)
        {
            if (TurnVerbs.Tools.Contains(steps[i].Verb))
                (position, number) = (i + 1, number - 1);
        }

        return position;
    }

    Ending? Do(Step step)
    {
        if (ProcessVerbs.All.TryGetValue(step.Verb, out var act))
            act(session.Cli, step.Argument);
        else if (TurnVerbs.InTurn.TryGetValue(step.Verb, out var play))
            return play(this, step.Argument);
        else if (!TurnVerbs.BeforeInit.ContainsKey(step.Verb))
            Cli.Misused($"unknown verb '{step.Verb}'");

        return null;
    }

    TurnReport Report(Ending ending)
    {
        var report = new TurnReport(ending, Writer.Requests)
        {
            PermissionDenials = permissionDenials,
            Messages = Credited,
            IsRerun = IsRerun,
        };
        return CostUsd is { } cost ? report with { CostUsd = cost } : report;
    }

    void ThrowIfStopped()
    {
        lock (changed)
        {
            if (stopped)
                throw new OperationCanceledException();
        }
    }

    Ending.Interrupted Abort()
    {
        var inTool = Writer.ToolCall is not null;
        Writer.Interrupt();

        if (stoppedBySignal && !inTool)
            Posix.Exit(0);
        return new Ending.Interrupted(inTool);
    }

    void End(Ending ending)
    {
        if (ending is Ending.Completed completed && Writer.LastText is null)
            Writer.WriteText(completed.Text);
        if (ending is Ending.ApiFailed failed)
            Writer.Fail(failed.Failure);

        foreach (var act in BeforeResult)
            act();

        session.Transcript.Unchained(new() { ["type"] = "last-prompt" });
        session.EmitResult(Report(ending), newline: !EndsWithoutNewline);
        if (EndsWithoutNewline)
            Posix.Exit(0);

        if (commandUuid is not null)
            session.Emit(session.Frames.Lifecycle(commandUuid, ending.Lifecycle));
        if (stoppedBySignal)
            Posix.Exit(0);
    }
}
