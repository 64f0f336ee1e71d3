using System.ComponentModel.DataAnnotations;

namespace Wake.ServiceDefaults;

/// <summary>Where the message bus is. Environment: <c>MessageBus__Host</c>.</summary>
public sealed class MessageBusOptions : IValidatableObject
{
    /// <summary>The configuration section.</summary>
    public const string Section = "MessageBus";

    /// <summary>
    /// <c>rabbitmq://user:password@host:port/vhost</c>, or <c>loopback://name</c> for the transport inside one process.
    /// </summary>
    [Required(
        ErrorMessage = "MessageBus:Host is not set. Set MessageBus__Host, for instance to "
            + "rabbitmq://user:password@host:5672/."
    )]
    public Uri? Host { get; init; }

    /// <summary>Whether messages stay inside this process.</summary>
    public bool InMemory => Host?.Scheme == "loopback";

    /// <summary>Whether an address can be a RabbitMQ's.</summary>
    public static bool IsRabbitMq(Uri host) => host.Scheme is "rabbitmq" or "rabbitmqs" or "amqp" or "amqps";

    /// <inheritdoc />
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Host is not null && !InMemory && !IsRabbitMq(Host))
            yield return new(
                $"MessageBus:Host has the scheme {Host.Scheme}; rabbitmq:// and loopback:// are known.",
                [nameof(Host)]
            );
    }
}
