using System.Text.Json;
using Wake.Runner;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>What is kept of a call that waits for a person: a row in the transcript, and what the person is shown.</summary>
public sealed class PuttingACallOff
{
    const string Message = """{"type":"user","uuid":"u1","parentUuid":null,"message":{"role":"user","content":"hi"}}""";

    static readonly Dictionary<string, string> Environment = new() { ["DEPLOY_TOKEN"] = "hunter2-hunter2" };

    [Fact]
    public async Task The_transcript_ends_with_the_row_that_a_hook_would_have_left()
    {
        using var folder = new TemporaryFolder();
        var file = folder.File("t.jsonl");
        await File.WriteAllTextAsync(file, $"{Message}\n{Calling("toolu_1")}\n{{\"type\":\"last-prompt\"}}\n{{\"type\":\"assis");

        Assert.True(await PutOffCall.Mark(file, Call("toolu_1"), TimeProvider.System, CancellationToken.None));

        var rows = (await File.ReadAllLinesAsync(file)).Select(x => JsonElement.Parse(x)).ToList();
        Assert.Equal(4, rows.Count);
        Assert.Equal(("a1", "/src"), (rows[3].GetProperty("parentUuid").GetString(), rows[3].GetProperty("cwd").GetString()));
        Assert.Equal("toolu_1", rows[3].GetProperty("attachment").GetProperty("toolUseID").GetString());
    }

    [Theory]
    [InlineData("toolu_1", "toolu_2")]
    [InlineData("toolu_2")]
    [InlineData]
    public async Task Not_when_it_is_not_the_last_call(params string[] calls)
    {
        using var folder = new TemporaryFolder();
        var file = folder.File("t.jsonl");
        var before = string.Concat(calls.Select(x => $"{Calling(x)}\n").Prepend($"{Message}\n"));
        await File.WriteAllTextAsync(file, before);

        Assert.False(await PutOffCall.Mark(file, Call("toolu_1"), TimeProvider.System, CancellationToken.None));
        Assert.Equal(before, await File.ReadAllTextAsync(file));
    }

    [Fact]
    public async Task Not_when_it_has_a_result()
    {
        using var folder = new TemporaryFolder();
        var file = folder.File("t.jsonl");
        const string Result = """{"type":"user","uuid":"u2","parentUuid":"a1","message":{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1"}]}}""";
        await File.WriteAllTextAsync(file, $"{Message}\n{Calling("toolu_1")}\n{Result}\n");

        Assert.False(await PutOffCall.Mark(file, Call("toolu_1"), TimeProvider.System, CancellationToken.None));
    }

    [Fact]
    public async Task Not_without_a_transcript()
    {
        using var folder = new TemporaryFolder();
        Assert.False(await PutOffCall.Mark(folder.File("none"), Call("toolu_1"), TimeProvider.System, CancellationToken.None));
    }

    [Fact]
    public void A_person_sees_no_secret_and_is_told_what_is_left_out()
    {
        var input = JsonSerializer.Serialize(new { command = "curl -H hunter2-hunter2", content = new string('x', 5000), nested = new[] { new { key = "sk-ant-0123456789" } } });

        var asked = PutOffCall.Asked(Call("toolu_1") with { Input = input, Why = "needs hunter2-hunter2" }, Environment).Input;

        Assert.DoesNotContain("hunter2", asked);
        Assert.DoesNotContain("sk-ant", asked);
        Assert.Contains("3000 more characters", asked);
        Assert.Contains("curl -H [redacted]", asked);
    }

    [Theory]
    [InlineData("""{"command":"\ud800"}""")]
    [InlineData("""{"command":"a","command":"b"}""")]
    [InlineData("[1]")]
    public void Whatever_the_model_wrote_can_be_shown(string input) =>
        Assert.Contains("\"tool\":\"Bash\"", PutOffCall.Asked(Call("toolu_1") with { Input = input }, Environment).Input);

    static ControlRequest Call(string id) => new("r1", "can_use_tool", "Bash") { ToolUseId = id, Input = """{"command":"ls"}""" };

    static string Calling(string id) => $$$"""
        {"type":"assistant","uuid":"a1","parentUuid":"u1","cwd":"/src","message":{"role":"assistant","content":[{"type":"tool_use","id":"{{{id}}}","name":"Bash","input":{"command":"ls"}}]}}
        """.Trim();
}
