using System.Net;
using Microsoft.AspNetCore.Components;
using Wake.ServiceDefaults;
using Wake.WebConsole.Components.Parts;

namespace Wake.WebConsole.Components;

/// <summary>
/// A page that shows what the API says, again whenever that may have changed. A burst of changes is one more look, and
/// what fails is said in the gateway's own words.
/// </summary>
public abstract class View : ComponentBase, IDisposable
{
    readonly CancellationTokenSource closing = new();
    bool isLoading,
        again,
        isToLookAgain;

    protected View() => Closing = closing.Token;

    [Inject]
    protected GatewayClient Gateway { get; set; } = null!;

    [Inject]
    protected NavigationManager Navigation { get; set; } = null!;

    [Inject]
    CircuitMarks Marks { get; set; } = null!;

    [Inject]
    Toasts Toasts { get; set; } = null!;

    /// <summary>Whether the first look is over.</summary>
    protected bool IsLoaded { get; private set; }

    /// <summary>Why the last look failed; null when it did not.</summary>
    protected string? Problem { get; private set; }

    /// <summary>Who looks.</summary>
    protected ConsoleSession? Viewer { get; private set; }

    /// <summary>Ends when the page is left.</summary>
    protected CancellationToken Closing { get; }

    /// <summary>Asks the API for what the page shows.</summary>
    protected abstract Task Load(CancellationToken cancel);

    /// <summary>Whether a change may be one of what the page shows.</summary>
    protected virtual bool Concerns(LiveMarks marks) => true;

    /// <summary>Whether an action that needs this scope is offered.</summary>
    protected bool May(string scope) => Viewer?.HasScope(scope) is true;

    protected override void OnInitialized() => Marks.Changed += OnChanged;

    protected override Task OnParametersSetAsync() => Reload();

    /// <summary>Looks again.</summary>
    protected async Task Reload()
    {
        if (isLoading)
        {
            again = true;
            return;
        }

        isLoading = true;
        try
        {
            do
            {
                again = false;
                await LoadOnce();
            } while (again && !closing.IsCancellationRequested);
        }
        finally
        {
            isLoading = false;
        }
    }

    /// <summary>Looks again after a while, once however often it is asked for, for what nobody tells of.</summary>
    protected void LookAgain(TimeSpan after)
    {
        if (isToLookAgain)
            return;

        isToLookAgain = true;
        _ = Wait();

        async Task Wait()
        {
            await Task.Delay(after, Closing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (Closing.IsCancellationRequested)
                return;

            await InvokeAsync(() =>
            {
                isToLookAgain = false;
                return Reload();
            });
        }
    }

    /// <summary>Reads more of the same, and says what keeps it from that.</summary>
    protected async Task Read(Func<CancellationToken, Task> more)
    {
        try
        {
            await more(Closing);
            Problem = null;
        }
        catch (ApiException refused)
        {
            if (!SignedOut(refused))
                Problem = refused.Message;
        }
        catch (OperationCanceledException) when (closing.IsCancellationRequested)
        {
            // Nobody looks any more.
        }
    }

    /// <summary>Does what somebody has pressed a button for, and looks again.</summary>
    /// <returns>Whether it was done.</returns>
    protected async Task<bool> Act(ApiCall call, string done)
    {
        try
        {
            await Gateway.Send(call, Closing);
            Toasts.Add(done);
            await Reload();
            return true;
        }
        catch (ApiException refused)
        {
            WakeMetrics.ConsoleRefusals.Add(1, new KeyValuePair<string, object?>("reason", Reason(refused.Status)));
            if (!SignedOut(refused))
                Toasts.Add(refused.Message, isProblem: true);
            return false;
        }
        catch (OperationCanceledException) when (closing.IsCancellationRequested)
        {
            return false;
        }
    }

    public void Dispose()
    {
        Marks.Changed -= OnChanged;
        closing.Cancel();
        closing.Dispose();
        GC.SuppressFinalize(this);
    }

    async Task LoadOnce()
    {
        await Read(async cancel =>
        {
            Viewer = await Gateway.GetSession();
            await Load(cancel);
        });
        if (closing.IsCancellationRequested)
            return;

        IsLoaded = true;
        StateHasChanged();
    }

    bool SignedOut(ApiException refused)
    {
        if (refused.Status is not HttpStatusCode.Unauthorized)
            return false;

        // From the server, so that it asks who this is.
        Navigation.Refresh(forceReload: true);
        return true;
    }

    static string Reason(HttpStatusCode? status) =>
        status switch
        {
            HttpStatusCode.Forbidden => "scope",
            HttpStatusCode.Unauthorized => "login",
            null or >= HttpStatusCode.InternalServerError => "failed",
            _ => "state",
        };

    void OnChanged(LiveMarks marks)
    {
        if (Concerns(marks) && !closing.IsCancellationRequested)
            _ = InvokeAsync(Reload);
    }
}
