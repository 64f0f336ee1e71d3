using Wake.Store;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

/// <summary>What a person has allowed for a session is read with each of its turns, whatever else was answered
/// there.</summary>
public sealed class AllowingForASession(TestStore store) : IClassFixture<TestStore>
{
    static readonly CancellationToken None = CancellationToken.None;

    // The texts of questions are the model's: they must neither allow anything nor keep the session from its turns.
    [Theory]
    [InlineData("""{"allow":"true","forSession":"true"}""")]
    [InlineData("""{"Which?\u0000":"This"}""")]
    public async Task Questions_that_were_answered_allow_nothing(string answers)
    {
        var session = await store.Session($"{Guid.NewGuid()}");
        var allowed = await Ask("Bash", """{"command":"ls"}""", """{"allow":true,"forSession":true}""");
        var asked = await Ask("AskUserQuestion", null, answers);
        var questions = new Questions(store.Database);

        Assert.Equal(allowed, Assert.Single(await questions.ListForSession(session, None)).Question);
        Assert.False(await questions.Withdraw(session, asked, "anna", None));
        Assert.True(await questions.Withdraw(session, allowed, "anna", None));
        Assert.Empty(await questions.ListForSession(session, None));

        async Task<Guid> Ask(string tool, string? call, string given)
        {
            var id = Guid.NewGuid();
            await using var command = store.Database.CreateCommand(
                """
                insert into questions (id, session_id, wake_number, tool_use_id, tool, input, call, answers, outcome, settled_at)
                values ($1, $2, 1, $1::text, $3, '{}', $4::text, $5::json, 'answered', now())
                """
            );
            command.Parameters.AddWithValue(id);
            command.Parameters.AddWithValue(session);
            command.Parameters.AddWithValue(tool);
            command.Parameters.AddWithValue((object?)call ?? DBNull.Value);
            command.Parameters.AddWithValue(given);
            await command.ExecuteNonQueryAsync();
            return id;
        }
    }
}
