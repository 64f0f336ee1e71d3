using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Options;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// The directories sessions work in. One that is there is used as it is; where a profile names a repository, one that
/// is missing is made, under the very path the session was registered with: the CLI knows a conversation by it.
/// </summary>
/// <remarks>
/// Each is a clone of its own rather than a worktree of a shared one: two sessions may stand on the same branch, and
/// pushing from it is what a person would expect. A mirror on this machine makes it cheap: git links the objects
/// instead of fetching them again.
/// </remarks>
sealed class Workspaces(Sessions sessions, Git git, IOptions<RunnerOptions> options, ILogger<Workspaces> log)
    : IDisposable
{
    // Beside a record: which folder was made, whatever stands under its name later.
    const string IdentitySuffix = ".identity";

    // Git itself does not like two of them in one mirror.
    readonly SemaphoreSlim mirroring = new(1);

    /// <summary>Sees to it that the workspace can be worked in. What the turn comes to when it cannot; null when it
    /// can.</summary>
    /// <param name="turn">The turn.</param>
    /// <param name="profile">Names the repository, if there is one.</param>
    /// <param name="shutdown">The runner shuts down: what is made is left unmade.</param>
    /// <param name="lost">Nobody waits for it any more.</param>
    /// <exception cref="OperationCanceledException">The turn was lost.</exception>
    public async Task<ClaudeResult?> Prepare(
        ClaimedTurn turn,
        Profile profile,
        CancellationToken shutdown,
        CancellationToken lost
    )
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
                    $"the workspace {path} does not exist on this machine, and the profile {turn.Profile} names no "
                        + "repository to make it from"
                );
            }

            return RunUser.MayWrite(path) ?? WorkspaceDirectory.IsWritable(path)
                ? null
                : new ClaudeResult.Misconfigured($"the workspace {path} cannot be written to by this runner");
        }
        catch (OperationCanceledException) when (!lost.IsCancellationRequested)
        {
            return new ClaudeResult.Interrupted();
        }
        catch (Exception failed) when (failed is IOException or GitException { IsTransient: true })
        {
            return new ClaudeResult.FilesFail($"the workspace {path} cannot be made: {failed.Message}");
        }
        catch (Exception failed) when (failed is UnauthorizedAccessException or GitException)
        {
            return new ClaudeResult.Misconfigured($"the workspace {path} cannot be made: {failed.Message}");
        }
    }

    /// <summary>Whether the session's workspace was made here, from a repository: what it brings along nobody has
    /// looked at.</summary>
    public bool IsManaged(Guid sessionId) => File.Exists(RecordFile(sessionId));

    /// <summary>Whether the workspace has commits made since the turn began: somebody has acted. False where there is
    /// no git.</summary>
    public async Task<bool> HasNewCommits(ClaimedTurn turn, CancellationToken cancel)
    {
        try
        {
            var since = turn.FirstClaimedAt.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
            return (
                    await git.RunReadOnly(
                        turn.Workspace,
                        cancel,
                        "rev-list",
                        "--all",
                        "--max-count=1",
                        $"--since=@{since}"
                    )
                ).Length > 0;
        }
        catch (GitException)
        {
            return false;
        }
    }

    async Task Clone(ClaimedTurn turn, string repository, string? branch, CancellationToken cancel)
    {
        var (path, parent, remote) = (
            turn.Workspace,
            Path.GetDirectoryName(turn.Workspace) ?? "/",
            GitRemote.Parse(repository)
        );
        Directory.CreateDirectory(parent);
        PrivateDirectory.Create(RecordFolder);
        if (RunUser.Owns(parent) || RunUser.MayWrite(parent) == true)
        {
            throw new UnauthorizedAccessException(
                $"{parent} can be written to by {RunUser.Current!.Name}, who could put a link in its place. Let "
                    + "workspaces be made in a folder of root's"
            );
        }

        // Beside its place, so that a clone cut short is never taken for a workspace.
        var arriving = $"{path}.arriving-{turn.Epoch}";
        var mirror = await UpdateMirror(repository, remote, cancel);
        PrivateDirectory.CreateExclusively(arriving);
        // Before anything is in it. Where it is the runner's own user's, their umask says who may look.
        if (RunUser.Current is not null && !OperatingSystem.IsWindows())
            File.SetUnixFileMode(arriving, PrivateDirectory.Mode);
        var made = FileIdentity.FromPath(arriving);
        try
        {
            string[] named = branch is null ? [] : ["--branch", branch];
            // What hangs together with the mirror by links would be theirs as well, whoever's workspace it is in.
            if (RunUser.Current is not null)
                named = ["--no-hardlinks", .. named];
            await git.RunLocal(
                parent,
                cancel,
                ["clone", "--quiet", "--template=", "--no-recurse-submodules", .. named, "--", mirror, arriving]
            );

            // Whoever works in it has credentials of their own, or those of the profile's owner would be theirs.
            await git.RunLocal(arriving, cancel, "remote", "set-url", "origin", remote.Address);
            await ChownAll(arriving, cancel);

            PrivateFile.WriteAtomically(RecordFile(turn.SessionId) + IdentitySuffix, $"{made}");
            PrivateFile.WriteAtomically(RecordFile(turn.SessionId), path);
            Directory.Move(arriving, path);
        }
        finally
        {
            if (Directory.Exists(arriving))
                SafeDelete.DeleteDirectory(arriving, made, RunUser.AllowedOwners);
        }

        log.LogInformation("{SessionKey}: made the workspace {Workspace}.", turn.SessionKey, path);
    }

    // A folder is theirs when all in it is, and links are given and not followed.
    static async Task ChownAll(string folder, CancellationToken cancel)
    {
        if (RunUser.Current is null)
            return;

        foreach (var entry in Directory.EnumerateFileSystemEntries(folder))
        {
            cancel.ThrowIfCancellationRequested();
            if (Directory.Exists(entry) && new FileInfo(entry).LinkTarget is null)
                await ChownAll(entry, cancel);
            else
                RunUser.Chown(entry);
        }

        RunUser.Chown(folder);
    }

    async Task<string> UpdateMirror(string repository, GitRemote remote, CancellationToken cancel)
    {
        var mirror = MirrorOf(remote.Address);
        var parent = Path.GetDirectoryName(mirror)!;

        await mirroring.WaitAsync(cancel);
        try
        {
            PrivateDirectory.Create(parent);

            // Its configuration has the credentials in it.
            if (remote.Credentials is not null && MirrorOf(repository) is var earlier && Directory.Exists(earlier))
                SafeDelete.DeleteDirectory(earlier);

            if (Directory.Exists(mirror))
            {
                ResetConfig(mirror);
                await git.RunRemote(
                    mirror,
                    remote,
                    cancel,
                    "fetch",
                    "--quiet",
                    "--prune",
                    "--no-recurse-submodules",
                    "--no-write-fetch-head",
                    "--",
                    remote.Address,
                    "+refs/*:refs/*"
                );
            }
            else
            {
                var arriving = $"{mirror}.{Guid.NewGuid():N}";
                try
                {
                    await git.RunRemote(
                        parent,
                        remote,
                        cancel,
                        "clone",
                        "--quiet",
                        "--template=",
                        "--mirror",
                        "--",
                        remote.Address,
                        arriving
                    );
                    Directory.Move(arriving, mirror);
                }
                finally
                {
                    if (Directory.Exists(arriving))
                        SafeDelete.DeleteDirectory(arriving);
                }
            }
        }
        finally
        {
            mirroring.Release();
        }

        return mirror;
    }

    // What an agent may have written there does not count when it is fetched into with the owner's keys.
    static void ResetConfig(string mirror)
    {
        var file = Path.Combine(mirror, "config");
        var objects = File.ReadAllText(file).Contains("objectformat = sha256", StringComparison.OrdinalIgnoreCase);
        PrivateFile.WriteAtomically(
            file,
            "[core]\n"
                + (objects ? "\trepositoryformatversion = 1\n" : "\trepositoryformatversion = 0\n")
                + "\tfilemode = true\n\tbare = true\n"
                + (objects ? "[extensions]\n\tobjectformat = sha256\n" : "")
        );
    }

    string MirrorOf(string address) =>
        Path.Combine(
            options.Value.Cache,
            "mirrors",
            Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(address)))[..16]
        );

    // Only what was made here is ever deleted.
    string RecordFolder => Path.Combine(options.Value.Cache, "workspaces");

    string RecordFile(Guid session) => Path.Combine(RecordFolder, $"{session:D}");

    /// <summary>Deletes the workspaces made here in which no session has worked that is open, or was closed less long
    /// ago than they are kept.</summary>
    public async Task DeleteExpired(CancellationToken cancel)
    {
        if (!Directory.Exists(RecordFolder))
            return;

        foreach (var record in Directory.GetFiles(RecordFolder))
        {
            if (!Guid.TryParse(Path.GetFileName(record), out var session))
                continue;

            var path = await File.ReadAllTextAsync(record, cancel);
            if (!await sessions.IsWorkspaceUnusedFor(session, path, options.Value.WorkspaceRetention, cancel))
                continue;

            try
            {
                Delete(path, record + IdentitySuffix);
                File.Delete(record);
                File.Delete(record + IdentitySuffix);
            }
            catch (IOException failed)
            {
                log.LogWarning("The workspace of a closed session stays: {Reason}", failed.Message);
            }
        }
    }

    void Delete(string path, string identity)
    {
        var made = File.Exists(identity) ? FileIdentity.Parse(File.ReadAllText(identity)) : null;
        if (FileIdentity.FromPath(path) is { } found && made is { } expected && !found.IsSameAs(expected))
        {
            log.LogInformation(
                "{Workspace}, where a closed session worked, is another folder than was made for it, and stays.",
                path
            );
        }
        else if (Path.Exists(path))
        {
            SafeDelete.DeleteDirectory(path, made, RunUser.AllowedOwners);
            log.LogInformation("Deleted the workspace {Workspace} of a closed session.", path);
        }
    }

    public void Dispose() => mirroring.Dispose();
}
