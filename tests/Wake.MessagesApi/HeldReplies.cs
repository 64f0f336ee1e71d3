namespace Wake.Offline;

/// <summary>Named places where replies wait until a test lets them go.</summary>
sealed class HeldReplies
{
    readonly Lock gate = new();
    readonly Dictionary<string, List<TaskCompletionSource>> waiting = [];
    readonly HashSet<string> released = [];

    /// <summary>Returns once the name is released: now, if that already happened.</summary>
    public async Task Wait(string name, CancellationToken cancel)
    {
        var open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

        lock (gate)
        {
            if (released.Remove(name))
                return;

            if (!waiting.TryGetValue(name, out var others))
                waiting[name] = others = [];

            others.Add(open);
        }

        try
        {
            await open.Task.WaitAsync(cancel);
        }
        finally
        {
            lock (gate)
                waiting.GetValueOrDefault(name)?.Remove(open);
        }
    }

    /// <summary>
    /// Lets everything go that waits under the name and says how many that were. When nothing waits yet, the next
    /// one passes: a test that has seen a request may be quicker than the request is at reaching its hold.
    /// </summary>
    public int Release(string name)
    {
        lock (gate)
        {
            if (!waiting.Remove(name, out var held) || held is [])
            {
                released.Add(name);
                return 0;
            }

            held.ForEach(x => x.TrySetResult());
            return held.Count;
        }
    }

    /// <summary>Lets everything go, and forgets what was released ahead.</summary>
    public void ReleaseAll()
    {
        lock (gate)
        {
            foreach (var open in waiting.Values.SelectMany(x => x))
                open.TrySetResult();

            waiting.Clear();
            released.Clear();
        }
    }
}
