using System.Text.Json;
using Wake.Runner;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>Which folders their owner has trusted, by the rule of the CLI (measured with 2.1.197 and
/// 2.1.329).</summary>
[Trait("Starts", "processes")]
public sealed class TrustingAFolder : IDisposable
{
    readonly TemporaryFolder folder = new();
    readonly string state,
        repository;

    public TrustingAFolder()
    {
        state = folder.File(".claude.json");
        repository = Directory
            .CreateDirectory(Path.Combine(WorkspaceTrust.RealPath(folder.Path), "repository"))
            .FullName;
    }

    public void Dispose() => folder.Dispose();

    [Fact]
    public void It_is_the_folder_itself_and_nothing_below_it()
    {
        var below = Directory.CreateDirectory(Path.Combine(repository, "below")).FullName;
        Trust(repository);

        Assert.True(WorkspaceTrust.IsTrusted(state, repository));
        Assert.False(WorkspaceTrust.IsTrusted(state, below));
        Assert.False(WorkspaceTrust.IsTrusted(state, Path.GetDirectoryName(repository)!));
    }

    [Fact]
    public async Task In_a_repository_it_is_the_root()
    {
        await GitCommand.Run(repository, "init", "--quiet");
        var below = Directory.CreateDirectory(Path.Combine(repository, "below")).FullName;

        Trust(below);
        Assert.False(WorkspaceTrust.IsTrusted(state, below));
        Trust(repository);
        Assert.True(WorkspaceTrust.IsTrusted(state, below));

        // One within is another one.
        await GitCommand.Run(below, "init", "--quiet");
        Assert.False(WorkspaceTrust.IsTrusted(state, below));
    }

    [Fact]
    public async Task Of_a_worktree_it_is_the_main_one_and_no_file_makes_a_folder_a_worktree()
    {
        await GitCommand.Run(repository, "init", "--quiet");
        await GitCommand.Commit(repository, "x");
        var tree = Path.Combine(Path.GetDirectoryName(repository)!, "tree");
        await GitCommand.Run(repository, "worktree", "add", "--quiet", tree);
        var forged = Directory.CreateDirectory(Path.Combine(Path.GetDirectoryName(repository)!, "forged")).FullName;
        File.Copy(Path.Combine(tree, ".git"), Path.Combine(forged, ".git"));

        Trust(tree);
        Assert.False(WorkspaceTrust.IsTrusted(state, tree));
        Trust(repository);
        Assert.True(WorkspaceTrust.IsTrusted(state, tree));
        Assert.False(WorkspaceTrust.IsTrusted(state, forged));
    }

    [Fact]
    public void Through_a_link_it_is_the_folder_behind_it()
    {
        var link = Path.Combine(Path.GetDirectoryName(repository)!, "link");
        Directory.CreateSymbolicLink(link, repository);

        Trust(link);
        Assert.False(WorkspaceTrust.IsTrusted(state, link));
        Trust(repository);
        Assert.True(WorkspaceTrust.IsTrusted(state, link));
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("""{"projects": 1}""")]
    [InlineData("""{"projects": {"REPOSITORY": {"hasTrustDialogAccepted": "true"}}}""")]
    public void Nothing_is_trusted_by_a_file_that_says_something_else(string content)
    {
        File.WriteAllText(state, content.Replace("REPOSITORY", repository));

        Assert.False(WorkspaceTrust.IsTrusted(state, repository));
        Assert.Null(WorkspaceTrust.FindUntrustedSetup(state, repository));
    }

    void Trust(string path) =>
        File.WriteAllText(
            state,
            JsonSerializer.Serialize(
                new { projects = new Dictionary<string, object> { [path] = new { hasTrustDialogAccepted = true } } }
            )
        );
}
