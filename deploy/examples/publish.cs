// Publishes an event to RabbitMQ from .NET, without a package of Wake (elsewhere write RabbitMQ.Client@7.2.2):
//
//   AMQP_URL=amqp://localhost dotnet run publish.cs SUBJECT REASON
#:package RabbitMQ.Client
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false

using System.Text.Json;
using RabbitMQ.Client;

var factory = new ConnectionFactory { Uri = new(Environment.GetEnvironmentVariable("AMQP_URL") ?? "amqp://localhost") };
await using var connection = await factory.CreateConnectionAsync();

// Without a confirmation, an event may be lost on its way.
await using var channel = await connection.CreateChannelAsync(
    new(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true)
);

var body = JsonSerializer.SerializeToUtf8Bytes(
    new
    {
        id = Guid.NewGuid(),
        source = "example:dotnet",
        type = "example.happened",
        subject = args[0],
        reason = args[1],
    }
);
await channel.BasicPublishAsync(
    "wake.events",
    "example.happened",
    mandatory: true,
    new BasicProperties { Persistent = true },
    body
);
