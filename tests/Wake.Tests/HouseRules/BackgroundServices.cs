using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Wake.ServiceDefaults;

namespace Wake.Tests.HouseRules;

/// <summary>What runs beside the requests must not end the process when a pass of it fails.</summary>
public sealed partial class BackgroundServices
{
    static readonly TimeSpan Retry = TimeSpan.FromMilliseconds(1);

    public static TheoryData<Exception> Failures =>
        [
            new NpgsqlException("Exception while reading from stream"),
            // Npgsql, of a connection that was cut as a command began on it.
            new ObjectDisposedException("System.Threading.ManualResetEventSlim"),
            new InvalidOperationException("Connection is not open"),
            new IOException("No space left on device"),
            new System.Net.Sockets.SocketException(24),
            new TimeoutException(),
            new OperationCanceledException("a time limit of the pass itself"),
            new KeyNotFoundException(),
        ];

    [Theory]
    [MemberData(nameof(Failures))]
    public async Task A_pass_that_fails_is_made_again(Exception failure)
    {
        using var end = new CancellationTokenSource();
        var again = new TaskCompletionSource();
        var passes = 0;

        var loop = BackgroundLoop.Run(NullLogger.Instance, "A pass", Pass, Retry, TimeProvider.System, end.Token);
        await again.Task.WaitAsync(TimeSpan.FromSeconds(10));

        await end.CancelAsync();
        await loop;

        async Task<TimeSpan> Pass(CancellationToken cancel)
        {
            if (++passes == 1)
                throw failure;
            again.SetResult();
            await Task.Delay(Timeout.Infinite, cancel);
            return Retry;
        }
    }

    [Fact]
    public void Every_background_service_repeats_by_that_loop() =>
        Problems.None(
            from file in Repository.Sources("services").Concat(Repository.Sources("shared"))
            let text = File.ReadAllText(file)
            where Service().IsMatch(text) && !text.Contains($"{nameof(BackgroundLoop)}.", StringComparison.Ordinal)
            select $"{Path.GetFileName(file)}: a failed pass ends the process; repeat it by {nameof(BackgroundLoop)}."
        );

    [GeneratedRegex(@"^\s*(sealed |public )*class [^{]*: BackgroundService\b", RegexOptions.Multiline)]
    private static partial Regex Service();
}
