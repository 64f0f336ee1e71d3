using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Options;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// The directories sessions work in. One that is there is used as it is; where a profile names a repository, one that is
/// missing is made, under the very path the session was registered with: the CLI knows a conversation by it.
/// </summary>
/// <remarks>
/// Each is a clone of its own rather than a worktree of a shared one: two sessions may stand on the same branch, and pushing
/// from it is what a person would expect. A mirror on this machine makes it cheap: git links the objects instead of fetching
/// them again.
/// </remarks>
sealed class Workspaces(
    Sessions sessions, Git git, IOptions<RunnerOptions> options, ILogger<Workspaces> log) : IDisposable
{
    // Git itself does not like two of them in one mirror.
    readonly SemaphoreSlim mirroring = new(1);

    /// <summary>Sees to it that the workspace can be worked in. What the turn comes to when it cannot; null when it can.</summary>
    /// <param name="turn">The turn.</param>
    /// <param name="profile">Names the repository, if there is one.</param>
    /// <param name="shutdown">The runner shuts down: what is made is left unmade.</param>
    /// <param name="lost">Nobody waits for it any more.</param>
    /// <exception cref="OperationCanceledException">The turn was lost.</exception>
    public async Task<ClaudeResult?> Prepare(ClaimedTurn turn, Profile profile, CancellationToken shutdown, CancellationToken lost)
    {
        var path = turn.Workspace;
        using var either = CancellationTokenSource.CreateLinkedTokenSource(shutdown, lost);
        try
        {
            if (profile.Repository is { } repository && !Directory.Exists(path))
                await Clone(turn, repository, profile.Branch, either.Token);

            if (!Directory.Exists(path))
            {
                return new ClaudeResult.Misconfigured(
                    $"the workspace {path} does not exist on this machine, and the profile {turn.Profile} names no repository to make it from");
            }

            return WorkspaceDirectory.IsWritable(path) ? null
                : new ClaudeResult.Misconfigured($"the workspace {path} cannot be written to by this runner");
        }
        catch (OperationCanceledException) when (!lost.IsCancellationRequested)
        {
            return new ClaudeResult.Interrupted();
        }
        catch (Exception failed) when (failed is IOException or GitException { MayPass: true })
        {
            return new ClaudeResult.FilesFail($"the workspace {path} cannot be made: {failed.Message}");
        }
        catch (Exception failed) when (failed is UnauthorizedAccessException or GitException)
        {
            return new ClaudeResult.Misconfigured($"the workspace {path} cannot be made: {failed.Message}");
        }
    }

    /// <summary>Whether the session's workspace was made here, from a repository: what it brings along nobody has looked at.</summary>
    public bool HasMade(Guid sessionId) => File.Exists(Path.Combine(Records, $"{sessionId:D}"));

    /// <summary>Whether the workspace has commits made since the turn began: somebody has acted. False where there is no git.</summary>
    public async Task<bool> HasNewCommits(ClaimedTurn turn, CancellationToken cancel)
    {
        try
        {
            var since = turn.Started.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
            return (await git.Run(turn.Workspace, cancel, "log", "--all", "--max-count=1", $"--since=@{since}", "--format=%H")).Length > 0;
        }
        catch (GitException)
        {
            return false;
        }
    }

    async Task Clone(ClaimedTurn turn, string repository, string? branch, CancellationToken cancel)
    {
        var (path, parent) = (turn.Workspace, Path.GetDirectoryName(turn.Workspace) ?? "/");
        Directory.CreateDirectory(parent);
        Directory.CreateDirectory(Records);

        // Beside its place, so that a clone cut short is never taken for a workspace.
        var arriving = $"{path}.arriving-{turn.Epoch}";
        var mirror = await Mirror(repository, cancel);
        try
        {
            string[] named = branch is null ? [] : ["--branch", branch];
            await git.Run(parent, cancel, ["clone", "--quiet", .. named, "--", mirror, arriving]);
            await git.Run(arriving, cancel, "remote", "set-url", "origin", repository);

            await File.WriteAllTextAsync(Path.Combine(Records, $"{turn.SessionId:D}"), path, cancel);
            Directory.Move(arriving, path);
        }
        finally
        {
            if (Directory.Exists(arriving))
                Directory.Delete(arriving, recursive: true);
        }

        log.LogInformation("{SessionKey}: made the workspace {Workspace}.", turn.SessionKey, path);
    }

    async Task<string> Mirror(string repository, CancellationToken cancel)
    {
        var name = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(repository)))[..16];
        var mirror = Path.Combine(options.Value.Cache, "mirrors", name);

        await mirroring.WaitAsync(cancel);
        try
        {
            if (Directory.Exists(mirror))
            {
                await git.Run(mirror, cancel, "remote", "update", "--prune");
            }
            else
            {
                var parent = Directory.CreateDirectory(Path.GetDirectoryName(mirror)!).FullName;
                var arriving = Path.Combine(parent, $"{name}.{Guid.NewGuid():N}");
                try
                {
                    await git.Run(parent, cancel, "clone", "--quiet", "--mirror", "--", repository, arriving);
                    Directory.Move(arriving, mirror);
                }
                finally
                {
                    if (Directory.Exists(arriving))
                        Directory.Delete(arriving, recursive: true);
                }
            }
        }
        finally
        {
            mirroring.Release();
        }

        return mirror;
    }

    // Only what was made here is ever deleted.
    string Records => Path.Combine(options.Value.Cache, "workspaces");

    /// <summary>Deletes the workspaces made here in which no session has worked that is open, or was closed less long ago than they are kept.</summary>
    public async Task Clean(CancellationToken cancel)
    {
        if (!Directory.Exists(Records))
            return;

        foreach (var record in Directory.EnumerateFiles(Records))
        {
            var path = await File.ReadAllTextAsync(record, cancel);
            if (!Guid.TryParse(Path.GetFileName(record), out var session)
                || !await sessions.HasLeft(session, path, options.Value.KeepWorkspaces, cancel))
                continue;

            if (Directory.Exists(path))
                Directory.Delete(path, recursive: true);
            File.Delete(record);
            log.LogInformation("Deleted the workspace {Workspace} of a closed session.", path);
        }
    }

    public void Dispose() => mirroring.Dispose();
}
