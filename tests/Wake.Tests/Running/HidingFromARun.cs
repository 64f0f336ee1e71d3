using System.Diagnostics;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>What other processes of the same user, as an agent is without <c>Runner__RunAs</c>, see of a Wake that runs
/// turns.</summary>
[Trait("Starts", "processes")]
public sealed class HidingFromARun
{
    [AsRootFact]
    public async Task Neither_the_environment_nor_the_memory_of_a_Wake_can_be_read_by_its_own_user()
    {
        using var owner = OtherUser.Create()!;
        using var folder = new TemporaryFolder();
        Assert.Equal(0, Chown(owner.Name, folder.Path));
        await using var system = await WakeSystem.Create(Transport.InMemory);

        // What another user cannot read here he is given a copy of.
        var build = AppContext.BaseDirectory;
        if (owner.RunAs("test", "-r", Path.Combine(build, "Wake.Standalone.dll")).Code != 0)
        {
            build = folder.File("build");
            Process.Start("cp", ["--recursive", AppContext.BaseDirectory, build]).WaitForExit();
            Assert.Equal(0, Chown(owner.Name, build));
        }

        using var wake = owner.StartAs(
            "env",
            $"HOME={folder.Path}",
            $"WAKE_DATA={folder.File("data")}",
            $"ConnectionStrings__Wake={system.ConnectionString}",
            $"Claude__Executable={WakeSystem.FakeClaude}",
            "DOTNET_EnableDiagnostics=0",
            "dotnet",
            Path.Combine(build, "Wake.Standalone.dll")
        );
        using var control = owner.StartAs("sleep", "600");
        try
        {
            var errors = wake.StandardError.ReadToEndAsync();
            var said = await wake.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(60));
            Assert.True(said?.StartsWith("ready", StringComparison.Ordinal), said ?? await errors);

            Assert.Equal(0, owner.RunAs("cat", $"/proc/{control.Id}/environ").Code);
            Assert.NotEqual(0, owner.RunAs("cat", $"/proc/{wake.Id}/environ").Code);
            Assert.NotEqual(0, owner.RunAs("head", "--bytes=1", $"/proc/{wake.Id}/mem").Code);
            Assert.NotEqual(0, owner.RunAs("ls", $"/proc/{wake.Id}/fd").Code);

            // It is still there for its owner.
            Assert.Equal(0, owner.RunAs("kill", "-TERM", $"{wake.Id}").Code);
            Assert.True(wake.WaitForExit(TimeSpan.FromSeconds(60)));
        }
        finally
        {
            if (!wake.HasExited)
                wake.Kill(entireProcessTree: true);
            control.Kill();
        }
    }

    static int Chown(string user, string path)
    {
        using var chown = Process.Start("chown", ["--recursive", $"{user}:", path]);
        chown.WaitForExit();
        return chown.ExitCode;
    }
}
