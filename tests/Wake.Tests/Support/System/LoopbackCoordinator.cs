using System.Collections.Concurrent;
using System.Threading.Channels;
using MassTransit;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Wake.Contracts;
using Wake.Coordinator;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Tests.Support;

/// <summary>
/// The coordinator's saga on a bus in memory, without a process and without its sweeper: it hears only what the test
/// tells it.
/// </summary>
sealed class LoopbackCoordinator : IAsyncDisposable
{
    readonly Channel<ResumeSession> commands = Channel.CreateUnbounded<ResumeSession>();
    readonly ConcurrentDictionary<Guid, TaskCompletionSource> handled = new();
    readonly IHost host;

    LoopbackCoordinator(IHost host) => this.host = host;

    /// <summary>What it has commanded.</summary>
    public ChannelReader<ResumeSession> Commands => commands.Reader;

    public static async Task<LoopbackCoordinator> Start(TestStore store, TimeSpan? repeatAfter = null)
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Configuration.AddInMemoryCollection(
            new Dictionary<string, string?> { ["MessageBus:Host"] = $"loopback://{Guid.NewGuid()}" }
        );
        if (repeatAfter is { } time)
            builder.Configuration["Coordinator:RepeatAfter"] = time.ToString();
        builder.Services.AddSingleton(store.Database);
        builder.Services.AddSingleton(store.Timers);
        builder.Services.AddSingleton<StoredTraceContexts>();
        builder.Services.AddSingleton<DueSessions>();
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<SweepSignal>();
        builder.Services.AddValidatedOptions<CoordinatorOptions>(CoordinatorOptions.Section);
        builder.AddMessageBus(bus => bus.AddSessionWake());

        var coordinator = new LoopbackCoordinator(builder.Build());
        var bus = coordinator.host.Services.GetRequiredService<IBusControl>();
        var overheard = new Overheard(coordinator.commands.Writer);
        bus.ConnectPublishObserver(overheard);
        bus.ConnectSendObserver(overheard);
        bus.ConnectReceiveObserver(new Handled(coordinator.handled));
        await coordinator.host.StartAsync();
        return coordinator;
    }

    /// <summary>What it commands next.</summary>
    public async Task<ResumeSession> NextCommand() =>
        await commands.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(30));

    /// <summary>Has it decide about all that is due, as its sweeper does, and returns once what follows is
    /// sent.</summary>
    /// <param name="limit">About how many at most.</param>
    /// <param name="urgentOnly">Only about those that a person waits for, as during a burst.</param>
    /// <returns>About how many it did.</returns>
    public async Task<int> Sweep(int limit = 200, bool urgentOnly = false)
    {
        var due = host.Services.GetRequiredService<DueSessions>();
        var (decided, _, _, _) = await due.Decide(limit, since: null, CancellationToken.None, urgentOnly);
        await due.WaitForSends();
        return decided;
    }

    /// <summary>Publishes a message, and returns once it is handled and what follows from it is sent.</summary>
    public async Task Tell<T>(T message)
        where T : class
    {
        var id = Guid.NewGuid();
        var done = handled[id] = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await host.Services.GetRequiredService<IBus>().Publish(message, x => x.MessageId = id);
        await done.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    public async ValueTask DisposeAsync()
    {
        await host.StopAsync();
        host.Dispose();
    }

    // Some commands are published and some, those of people for one, are sent.
    sealed class Overheard(ChannelWriter<ResumeSession> commands) : IPublishObserver, ISendObserver
    {
        public Task PrePublish<T>(PublishContext<T> context)
            where T : class => Task.CompletedTask;

        public Task PostPublish<T>(PublishContext<T> context)
            where T : class => Hear(context.Message);

        public Task PublishFault<T>(PublishContext<T> context, Exception exception)
            where T : class => Task.CompletedTask;

        public Task PreSend<T>(SendContext<T> context)
            where T : class => Task.CompletedTask;

        public Task PostSend<T>(SendContext<T> context)
            where T : class => Hear(context.Message);

        public Task SendFault<T>(SendContext<T> context, Exception exception)
            where T : class => Task.CompletedTask;

        Task Hear(object message)
        {
            if (message is ResumeSession command)
                commands.TryWrite(command);
            return Task.CompletedTask;
        }
    }

    sealed class Handled(ConcurrentDictionary<Guid, TaskCompletionSource> handled) : IReceiveObserver
    {
        public Task PreReceive(ReceiveContext context) => Task.CompletedTask;

        public Task PostReceive(ReceiveContext context) => Done(context);

        public Task PostConsume<T>(ConsumeContext<T> context, TimeSpan duration, string consumerType)
            where T : class => Task.CompletedTask;

        public Task ConsumeFault<T>(
            ConsumeContext<T> context,
            TimeSpan duration,
            string consumerType,
            Exception exception
        )
            where T : class => Task.CompletedTask;

        public Task ReceiveFault(ReceiveContext context, Exception exception)
        {
            if (context.GetMessageId() is { } id && handled.TryRemove(id, out var waiting))
                waiting.TrySetException(exception);
            return Task.CompletedTask;
        }

        Task Done(ReceiveContext context)
        {
            if (context.GetMessageId() is { } id && handled.TryRemove(id, out var waiting))
                waiting.TrySetResult();
            return Task.CompletedTask;
        }
    }
}
