namespace Wake.Runner;

/// <summary>One message to a <see cref="ClaudeProcess"/>, and what is said about it.</summary>
sealed class Conversation(
    Permissions permissions,
    Func<string> transcript,
    ClaudeOutput output,
    Action<ClaudeOutput> heard,
    CancellationTokenSource silent,
    TimeSpan idle
)
{
    readonly TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly TaskCompletionSource settled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly Lock watching = new();
    bool watched = true,
        begun,
        mayBegin = true,
        noticeIsDue,
        noticed;

    public ClaudeOutput Output => output;

    public Func<string> Transcript => transcript;

    public Permissions Permissions => permissions;

    /// <summary>Called after every line.</summary>
    public Action OnLine { get; set; } = () => { };

    /// <summary>The calls that wait for nobody any more.</summary>
    public IEnumerable<string> SettledCalls => permissions.Settled.Select(x => x.ToolUseId);

    public Task OutcomeKnown => done.Task;

    public Task Idle => settled.Task;

    public void ProcessLine(ReadOnlyMemory<byte> line)
    {
        lock (watching)
        {
            if (watched && !silent.IsCancellationRequested)
                silent.CancelAfter(idle);
        }

        output.ParseLine(line);
        heard(output);
        OnLine();

        if (output.HasOutcome)
            done.TrySetResult();
        if (output.IsIdle)
            settled.TrySetResult();
    }

    /// <summary>What is answered to a request; null when a person has to decide.</summary>
    public byte[]? Reply(ControlRequest request) => permissions.Reply(request, output.SiblingCalls, output.Environment);

    /// <summary>Whether the model is to be told now that its time is nearly over; once, and when there is something
    /// to tell it beside.</summary>
    /// <param name="isDue">Its time is nearly over from now on.</param>
    public bool TryTakeNotice(bool isDue)
    {
        lock (watching)
        {
            noticeIsDue |= isDue;
            if (
                !noticeIsDue
                || noticed
                || !watched
                || !output.IsCallingTool
                || output.IsAskingPerson
                || output.HasOutcome
            )
                return false;
            return noticed = true;
        }
    }

    /// <summary>Whether a call that a person has allowed may be made: not in a run that is being stopped.</summary>
    public bool TryAllowCall()
    {
        lock (watching)
        {
            begun |= mayBegin;
            return mayBegin;
        }
    }

    /// <summary>No such call is made from now on. Whether one was.</summary>
    public bool StopAllowingCalls()
    {
        lock (watching)
        {
            mayBegin = false;
            return begun;
        }
    }

    /// <summary>All that matters is said.</summary>
    public void CompleteOutcome() => done.TrySetResult();

    /// <summary>Nothing more is heard.</summary>
    public void CompleteAll()
    {
        done.TrySetResult();
        settled.TrySetResult();
    }

    /// <summary>Silence no longer matters, and its timer is gone.</summary>
    public void StopIdleTimer()
    {
        lock (watching)
            watched = false;
    }
}
