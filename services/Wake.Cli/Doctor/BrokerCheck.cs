using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;
using Wake.ServiceDefaults;

namespace Wake.Cli;

/// <summary>The message broker, which a standalone Wake does without.</summary>
static class BrokerCheck
{
    /// <summary>Whether the one named lets us in.</summary>
    public static async Task<CheckResult> Check(string? host, CancellationToken cancel)
    {
        if (host is null or "")
            return new("RabbitMQ", true, "not needed: MessageBus__Host names none, and wake up does without", null);
        if (!Uri.TryCreate(host, UriKind.Absolute, out var address))
            return new(
                "RabbitMQ",
                false,
                "MessageBus__Host is no address",
                "Write it like rabbitmq://user:password@host:5672/"
            );
        if (address.Scheme == "loopback")
            return new("RabbitMQ", true, "not needed: messages stay inside the process", null);
        if (!MessageBusOptions.IsRabbitMq(address))
        {
            return new(
                "RabbitMQ",
                false,
                $"MessageBus__Host has the scheme {address.Scheme}",
                "rabbitmq:// and loopback:// are known."
            );
        }

        // The address without the password that may be in it.
        var factory = CreateFactory(address);
        var shown = $"{factory.HostName}:{factory.Port}, virtual host {factory.VirtualHost}, user {factory.UserName}";
        try
        {
            // Whoever listens there without being a broker says nothing, and the client would listen for ever.
            await OpenChannel(factory, cancel).WaitAsync(DoctorChecks.CheckTimeout, cancel);
            return new("RabbitMQ", true, $"lets us in at {shown}", null);
        }
        catch (Exception refused)
            when (refused is BrokerUnreachableException or OperationInterruptedException or TimeoutException)
        {
            var why = refused.GetBaseException();
            return new(
                "RabbitMQ",
                false,
                $"no connection to {shown}: {why.Message}",
                why is AuthenticationFailureException
                    ? "Check the user and the password in MessageBus__Host."
                    : "Start it, or check MessageBus__Host."
            );
        }
    }

    // Only a channel tells whether the virtual host was granted.
    static async Task OpenChannel(ConnectionFactory factory, CancellationToken cancel)
    {
        await using var connection = await factory.CreateConnectionAsync(cancel);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancel);
    }

    static ConnectionFactory CreateFactory(Uri address)
    {
        var secure = address.Scheme is "rabbitmqs" or "amqps";
        var factory = new ConnectionFactory
        {
            HostName = address.Host,
            Port =
                address.Port > 0 ? address.Port
                : secure ? 5671
                : 5672,
            VirtualHost = address.AbsolutePath.Trim('/') is { Length: > 0 } path ? Uri.UnescapeDataString(path) : "/",
            RequestedConnectionTimeout = DoctorChecks.CheckTimeout,
            HandshakeContinuationTimeout = DoctorChecks.CheckTimeout,
            AutomaticRecoveryEnabled = false,
            Ssl = new() { Enabled = secure, ServerName = address.Host },
        };

        if (address.UserInfo.Split(':', 2) is [{ Length: > 0 } user, .. var rest])
        {
            factory.UserName = Uri.UnescapeDataString(user);
            factory.Password = rest is [var password] ? Uri.UnescapeDataString(password) : "";
        }

        return factory;
    }
}
