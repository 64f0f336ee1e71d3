using System.Net.Sockets;
using Microsoft.Extensions.Hosting.Systemd;

namespace Wake.Standalone;

/// <summary>Tells systemd when Wake serves and when it stops, where a unit of <c>Type=notify</c> runs it.</summary>
/// <remarks>
/// The notifier of <c>UseSystemd</c> without the rest: that one exchanges the log's formatter for one that hides no
/// secrets, and says that it is ready before the address is in the data folder.
/// </remarks>
sealed class SystemdStatus
{
    const string Variable = "NOTIFY_SOCKET";

    readonly SystemdNotifier notifier = new();

    /// <summary>Takes it over from the environment, by which PostgreSQL would report as well.</summary>
    public SystemdStatus() => Environment.SetEnvironmentVariable(Variable, null);

    public void Notify(ServiceState state, ILogger log)
    {
        try
        {
            notifier.Notify(state);
        }
        catch (SocketException unreachable)
        {
            // Whoever runs it has inherited the variable, in a container perhaps.
            log.LogWarning("systemd could not be notified: {Reason}", unreachable.Message);
        }
    }
}
