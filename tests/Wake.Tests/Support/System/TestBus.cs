using MassTransit;

namespace Wake.Tests.Support;

/// <summary>A bus of the test's own, for saying what a service would say.</summary>
public sealed class TestBus : IAsyncDisposable
{
    readonly IBusControl bus;

    TestBus(IBusControl bus) => this.bus = bus;

    public static async Task<TestBus> Start(Uri broker)
    {
        var bus = Bus.Factory.CreateUsingRabbitMq(rabbit => rabbit.Host(broker));
        await bus.StartAsync();
        return new(bus);
    }

    public Task Publish<T>(T message)
        where T : class => bus.Publish(message);

    public async ValueTask DisposeAsync() => await bus.StopAsync();
}
