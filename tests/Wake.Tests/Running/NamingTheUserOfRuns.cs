using Wake.Runner;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>A user that turns cannot run as is told at the start, with what to do.</summary>
[Trait("Starts", "processes")]
public sealed class NamingTheUserOfRuns
{
    [AsRootFact]
    public void A_user_that_is_there_will_do()
    {
        using var agent = OtherUser.Create()!;

        Assert.Null(RunUser.FindProblem(agent.Name));
        Assert.Equal($"/home/{agent.Name}", RunUser.Find(agent.Name)!.Home);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    public void No_user_is_the_runners_own(string? name)
    {
        var options = new RunnerOptions { RunAs = name };

        Assert.Null(RunUser.FindProblem(options.RunAs));
        Assert.Empty(options.Validate(new(new object())));
    }

    [AsRootFact]
    public void Nobody_and_root_are_refused()
    {
        Assert.Contains("useradd --create-home nobody-here", RunUser.FindProblem("nobody-here"));
        Assert.Contains("is root", RunUser.FindProblem("root"));
    }

    [AsRootFact]
    public async Task A_runner_does_not_start_as_if_nothing_were_wrong()
    {
        await using var system = await WakeSystem.Create(
            Transport.InMemory,
            new Dictionary<string, string> { ["Runner__RunAs"] = "nobody-here" }
        );

        var failed = await Assert.ThrowsAnyAsync<Exception>(() => system.StartProcess("Wake.Standalone"));

        Assert.Contains("there is no user nobody-here", failed.Message);
    }

    [Theory]
    [InlineData(" ")]
    [InlineData("a b")]
    [InlineData("1000:1000")]
    [InlineData("../root")]
    public void What_is_no_name_is_refused(string name) =>
        Assert.Single(
            new RunnerOptions { RunAs = name }.Validate(new(new object())),
            x => x.MemberNames.Contains("RunAs")
        );
}
