using System.Runtime.CompilerServices;
using Microsoft.Extensions.Configuration;
using Wake.Notifier;
using Wake.Standalone;

namespace Wake.Cli;

/// <summary>Whether people can be notified as the settings say. Nothing is sent.</summary>
static class NotificationChecks
{
    /// <summary>One for each target. What is wrong with the settings themselves is said by another check.</summary>
    public static async IAsyncEnumerable<CheckResult> RunAll(
        DataFolder folder,
        [EnumeratorCancellation] CancellationToken cancel
    )
    {
        foreach (var (name, target) in Load(folder).OrderBy(x => x.Key))
        {
            if (target.Problems().Any())
                continue;

            yield return await FindProblem(target, cancel) is { } problem
                ? new(
                    "notifications",
                    false,
                    $"{name}: {problem}",
                    $"Mend it or the settings Notifications:{name}; what waits is sent when it is back."
                )
                : new(
                    "notifications",
                    true,
                    $"{name}: {target.Kind} can be reached; wake notify test {name} sends one",
                    null
                );
        }
    }

    static async Task<string?> FindProblem(NotificationTarget target, CancellationToken cancel)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        bound.CancelAfter(DoctorChecks.CheckTimeout);
        try
        {
            return await NotificationSender.FindProblem(target, bound.Token);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return $"no answer within {DoctorChecks.CheckTimeout.TotalSeconds:0} s";
        }
        catch (HttpRequestException failed)
        {
            return failed.Message;
        }
    }

    static NotificationsOptions Load(DataFolder folder)
    {
        try
        {
            return StandaloneHost
                    .Settings(folder)
                    .Configuration.GetSection(NotificationsOptions.Section)
                    .Get<NotificationsOptions>()
                ?? [];
        }
        catch (Exception unreadable) when (unreadable is StandaloneException or InvalidOperationException)
        {
            return [];
        }
    }
}
