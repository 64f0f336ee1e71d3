using Wake.ServiceDefaults;
using Wake.Store;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

/// <summary>Who listens on a connection of a pool leaves nothing behind on it: the next who has it would be sent
/// everything.</summary>
public sealed class HearingNotifications(TestStore store) : IClassFixture<TestStore>
{
    [Fact]
    public async Task A_connection_that_goes_back_to_its_pool_listens_no_more()
    {
        await using var single = Postgres.CreateDataSource($"{store.ConnectionString};Maximum Pool Size=1");
        var heard = "";
        await using (
            var listener = await ChannelListener.Open(single, "somewhere", x => heard = x, CancellationToken.None)
        )
        {
            await store.Execute("select pg_notify('somewhere', 'hello')");
            await listener.Connection.WaitAsync();
        }

        Assert.Equal("hello", heard);
        await using var channels = single.CreateCommand("select count(*) from pg_listening_channels()");
        Assert.Equal(0L, await channels.ExecuteScalarAsync());
    }
}
