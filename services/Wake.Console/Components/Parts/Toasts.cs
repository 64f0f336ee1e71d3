namespace Wake.WebConsole.Components.Parts;

/// <summary>What has just been done or refused, told at the edge of a browser's page for a while.</summary>
public sealed class Toasts
{
    // The older ones go first.
    const int MaxShown = 4;

    readonly List<Toast> shown = [];

    /// <summary>Raised when there is another or one less.</summary>
    public event Action? Changed;

    /// <summary>Those to be seen, the newest last.</summary>
    public IReadOnlyList<Toast> Shown => shown;

    /// <summary>Tells of something.</summary>
    public void Add(string text, bool isProblem = false)
    {
        shown.Add(new(Guid.NewGuid(), text, isProblem));
        if (shown.Count > MaxShown)
            shown.RemoveAt(0);
        Changed?.Invoke();
    }

    /// <summary>Takes one away.</summary>
    public void Remove(Toast toast)
    {
        if (shown.Remove(toast))
            Changed?.Invoke();
    }
}

/// <summary>One of them.</summary>
/// <param name="Id">Tells it from others that say the same.</param>
/// <param name="Text">What it says.</param>
/// <param name="IsProblem">Whether something was refused; it stays until it is closed.</param>
public sealed record Toast(Guid Id, string Text, bool IsProblem);
