using System.Net;
using System.Threading.Channels;
using Wake.Producing;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Producers.GitHub;

/// <summary>Notes webhook deliveries in the store, those of all hooks of the process, some at a time. Whoever sends
/// faster than that is noted in part.</summary>
sealed class DeliveryLog(SourceReports reports, TimeProvider time, ILogger<DeliveryLog> log)
    : BackgroundService,
        IDeliveryLog
{
    static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    readonly Channel<DeliveryReport> noted = Channel.CreateBounded<DeliveryReport>(
        new BoundedChannelOptions(SourceReports.MaxRejections) { FullMode = BoundedChannelFullMode.DropOldest }
    );

    /// <inheritdoc />
    public void Note(string hook, string outcome, int? status, string? reason, IPAddress? address) =>
        noted.Writer.TryWrite(
            new(hook, time.GetUtcNow(), outcome)
            {
                Status = status,
                Reason = reason,
                Address = address?.ToString(),
            }
        );

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        BackgroundLoop.Run(log, "Noting webhook deliveries", Write, Interval, time, stoppingToken);

    async Task<TimeSpan> Write(CancellationToken cancel)
    {
        await noted.Reader.WaitToReadAsync(cancel);
        List<DeliveryReport> some = [];
        while (noted.Reader.TryRead(out var one))
            some.Add(one);
        await reports.NoteDeliveries(some, cancel);
        return Interval;
    }
}
