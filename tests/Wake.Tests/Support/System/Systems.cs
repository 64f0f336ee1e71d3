namespace Wake.Tests.Support;

/// <summary>A system that the tests of one class share; they keep apart by their sessions.</summary>
public abstract class SharedSystem(Transport transport) : IAsyncLifetime
{
    public WakeSystem System { get; private set; } = null!;

    public async Task InitializeAsync() => System = await WakeSystem.Start(transport);

    public async Task DisposeAsync() => await System.DisposeAsync();
}

public sealed class StandaloneSystem() : SharedSystem(Transport.InMemory);

public sealed class RabbitMqSystem() : SharedSystem(Transport.RabbitMq);
