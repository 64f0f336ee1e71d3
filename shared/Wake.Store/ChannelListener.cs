using Npgsql;

namespace Wake.Store;

/// <summary>A connection that hears what is notified on a channel, until it is disposed.</summary>
public sealed class ChannelListener : IAsyncDisposable
{
    ChannelListener(NpgsqlConnection connection) => Connection = connection;

    /// <summary>The connection: what is notified is heard while it waits, or answers a query.</summary>
    public NpgsqlConnection Connection { get; }

    /// <summary>Listens from now on.</summary>
    /// <param name="database">Where.</param>
    /// <param name="channel">The channel.</param>
    /// <param name="heard">Called with the payload of each notification.</param>
    /// <param name="cancel">Ends the attempt.</param>
    public static async Task<ChannelListener> Open(
        NpgsqlDataSource database,
        string channel,
        Action<string> heard,
        CancellationToken cancel
    )
    {
        var connection = await database.OpenConnectionAsync(cancel);
        connection.Notification += (_, said) => heard(said.Payload);
        var listener = new ChannelListener(connection);
        try
        {
            await using var listen = new NpgsqlCommand($"listen {channel}", connection);
            await listen.ExecuteNonQueryAsync(cancel);
            return listener;
        }
        catch
        {
            await listener.DisposeAsync();
            throw;
        }
    }

    /// <summary>Listens no more.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            // The connection goes back to a pool, which does not reset it.
            await using var unlisten = new NpgsqlCommand("unlisten *", Connection);
            await unlisten.ExecuteNonQueryAsync();
        }
        catch (Exception gone) when (gone is NpgsqlException or InvalidOperationException)
        {
            // And with it what it listened to.
        }

        await Connection.DisposeAsync();
    }
}
