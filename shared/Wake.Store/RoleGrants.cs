using Npgsql;

namespace Wake.Store;

/// <summary>What the roles of the services may do, table by table: <c>Rights.sql</c>.</summary>
public static class RoleGrants
{
    /// <summary>Gives them to the roles that are there. For the owner of the tables, after the migrations.</summary>
    public static async Task Apply(NpgsqlDataSource database, CancellationToken cancel)
    {
        await using var grant = database.CreateCommand(Sql.ReadResource("Rights.sql"));
        await grant.ExecuteNonQueryAsync(cancel);
    }
}
