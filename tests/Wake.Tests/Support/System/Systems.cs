namespace Wake.Tests.Support;

/// <summary>A system that the tests of one class share; they keep apart by their sessions.</summary>
public abstract class SharedSystem(Transport transport, bool guarded = false) : IAsyncLifetime
{
    public WakeSystem System { get; private set; } = null!;

    public async Task InitializeAsync() => System = await WakeSystem.Start(transport, guarded: guarded);

    public async Task DisposeAsync() => await System.DisposeAsync();
}

public sealed class StandaloneSystem() : SharedSystem(Transport.InMemory);

public sealed class RabbitMqSystem() : SharedSystem(Transport.RabbitMq);

/// <summary>With no more rights than the services are shipped with, so that one that is missing shows.</summary>
public sealed class GuardedRabbitMqSystem() : SharedSystem(Transport.RabbitMq, guarded: true);
