using Microsoft.EntityFrameworkCore;
using Npgsql;
using Wake.ServiceDefaults;
using Wake.Store;
using Wake.Tests.Support;

namespace Wake.Tests.HouseRules;

/// <summary>What LINQ believes of the tables, beside the tables that the migrations make.</summary>
[Trait("Starts", "processes")]
public sealed class ReadingModel(TestStore store) : IClassFixture<TestStore>
{
    [Fact]
    public async Task Is_of_the_tables_that_the_migrations_make()
    {
        await using var db = store.Database.OpenReader();
        var mapped =
            from entity in db.Model.GetEntityTypes()
            from property in entity.GetProperties()
            select $"{entity.GetTableName()}.{property.GetColumnName()} {property.GetColumnType()} "
                + (property.IsNullable ? "null" : "not null");

        HashSet<string> columns = [];
        await using var command = store.Database.CreateCommand(
            """
            select format('%s.%s %s %s', table_name, column_name,
                          case data_type when 'ARRAY' then substr(udt_name, 2) || '[]' else data_type end,
                          case is_nullable when 'YES' then 'null' else 'not null' end)
            from information_schema.columns
            where table_schema = 'public'
            """
        );
        await using var rows = await command.ExecuteReaderAsync();
        while (await rows.ReadAsync())
            columns.Add(rows.GetString(0));

        Assert.InRange(mapped.Count(), 80, int.MaxValue);
        Assert.Empty(mapped.Except(columns));
    }

    // Callers answer 503 and try again, or do not, by what PostgreSQL or the way to it says.
    [Fact]
    public async Task A_database_that_is_away_is_known_for_what_it_is()
    {
        await using var away = Postgres.CreateDataSource("Host=127.0.0.1;Port=1;Username=w;Database=w;Timeout=5");

        var failure = await Assert.ThrowsAnyAsync<Exception>(() =>
            new Store.Sessions(away).Find("session", CancellationToken.None)
        );

        Assert.IsAssignableFrom<NpgsqlException>(failure);
        Assert.True(PostgresErrors.IsTransient(failure));
    }
}
