using System.Text.Json;
using Wake.Contracts;
using Wake.Gateway;
using Wake.ServiceDefaults;

namespace Wake.Standalone;

/// <summary>The folder that holds all of a standalone Wake: its database, its settings, and where it can be
/// reached.</summary>
public sealed class DataFolder
{
    /// <summary>Opens a folder by its path; null means <see cref="Default"/>.</summary>
    public DataFolder(string? path = null) => FullPath = Path.GetFullPath(path ?? Default);

    /// <summary>
    /// <c>$XDG_DATA_HOME/wake</c>, else <c>~/.local/share/wake</c>. For root <c>/var/lib/wake</c>: PostgreSQL runs as
    /// an unprivileged user then, who cannot enter root's home.
    /// </summary>
    public static string Default =>
        Environment.GetEnvironmentVariable("XDG_DATA_HOME") is { Length: > 0 } xdg ? Path.Combine(xdg, "wake")
        : Environment.IsPrivilegedProcess && !OperatingSystem.IsWindows() ? "/var/lib/wake"
        : Path.Combine(
            Environment.GetFolderPath(
                Environment.SpecialFolder.UserProfile,
                Environment.SpecialFolderOption.DoNotVerify
            ),
            ".local",
            "share",
            "wake"
        );

    /// <summary>Its absolute path.</summary>
    public string FullPath { get; }

    /// <summary>Settings in the form of an appsettings file, read if it is there.</summary>
    public string SettingsFile => Path.Combine(FullPath, "wake.json");

    /// <summary>Where scripts drop events as files, also while Wake does not run.</summary>
    public SpoolFolder Spool => new(Path.Combine(FullPath, "spool"));

    /// <summary>What is known of the sessions while Wake does not run.</summary>
    public KnownSessionsFile SessionsFile => new(Path.Combine(FullPath, "sessions.json"));

    /// <summary>The socket for programs of this machine, in a folder that nobody else can enter.</summary>
    public string SocketFile => Path.Combine(FullPath, "run", "wake.sock");

    /// <summary>
    /// The token for programs of the folder's user, in a file that is theirs alone. It is another after every start, so
    /// it is read for every request.
    /// </summary>
    public string TokenFile => Path.Combine(FullPath, "token");

    // Whose files are in it, beside this user's: those of the database, and of whose folder it is where root deletes
    // it.
    uint[] FileOwners =>
        [
            .. UnprivilegedUser.ForRoot() is { } account ? [account.Id] : (uint[])[],
            .. FileIdentity.FromPath(FullPath) is { } folder ? [folder.UserId] : (uint[])[],
        ];

    string LockFile => Path.Combine(FullPath, "lock");

    string RunnerFile => Path.Combine(FullPath, "runner");

    string EndpointFile => Path.Combine(FullPath, "endpoint.json");

    /// <summary>Creates the folder if need be and keeps other processes from using it until the result is
    /// disposed.</summary>
    /// <exception cref="StandaloneException">Another Wake uses it, or it cannot be written.</exception>
    public IDisposable Lock()
    {
        try
        {
            // Others may pass through it (PostgreSQL, when it runs as another user) and not look into it.
            if (OperatingSystem.IsWindows())
                Directory.CreateDirectory(FullPath);
            else if (!Directory.Exists(FullPath))
                Directory.CreateDirectory(
                    FullPath,
                    UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
                );
            // Who may write into it could put settings of their own in the place of its user's.
            else if ((File.GetUnixFileMode(FullPath) & (UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)) != 0)
                throw new StandaloneException(
                    $"Others may write into {FullPath}. Make it yours alone: chmod go-w {FullPath}"
                );

            return new FileStream(LockFile, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (UnauthorizedAccessException denied)
        {
            throw new StandaloneException(
                $"{FullPath} cannot be written: {denied.Message} Choose another folder with --data."
            );
        }
        catch (IOException used)
        {
            throw new StandaloneException(
                ReadEndpoint() is { } endpoint
                    ? $"Wake is already running on {FullPath}, at {endpoint.Url}."
                    : $"{FullPath} is used by another process, or cannot be written: {used.Message}"
            );
        }
    }

    /// <summary>Deletes all that Wake has put here, and the folder if nothing else is in it.</summary>
    /// <exception cref="StandaloneException">A Wake uses it.</exception>
    public void Delete()
    {
        if (!Directory.Exists(FullPath))
        {
            DeleteElsewhere();
            return;
        }

        using (Lock())
        {
            DeleteElsewhere();
            foreach (
                var folder in (string[])
                    [Path.Combine(FullPath, "postgres"), Spool.FullPath, Path.GetDirectoryName(SocketFile)!]
            )
            {
                // A link, whose files are gone, is no directory any more.
                if (new DirectoryInfo(folder).LinkTarget is not null)
                    File.Delete(folder);
                else if (Path.Exists(folder))
                    SafeDelete.DeleteDirectory(folder, made: null, FileOwners);
            }

            foreach (var file in (string[])[SettingsFile, EndpointFile, TokenFile, RunnerFile, LockFile])
                File.Delete(file);
            SessionsFile.Delete();
        }

        if (!Directory.EnumerateFileSystemEntries(FullPath).Any())
            Directory.Delete(FullPath);

        void DeleteElsewhere()
        {
            if (ExternalDatabaseFolder is { } elsewhere)
                SafeDelete.DeleteDirectory(elsewhere, made: null, FileOwners);
        }
    }

    /// <summary>Where the Wake of this folder can be reached; null when it has not said so.</summary>
    public Endpoint? ReadEndpoint()
    {
        try
        {
            // A serializer would take a fifth of the time that a command lives for to learn what the members are.
            using var json = JsonDocument.Parse(File.ReadAllBytes(EndpointFile));
            return new(
                new(json.RootElement.GetProperty(nameof(Endpoint.Url)).GetString()!),
                json.RootElement.GetProperty(nameof(Endpoint.ProcessId)).GetInt32()
            );
        }
        catch (Exception missing) when (missing is IOException or UnauthorizedAccessException)
        {
            return null;
        }
        catch (Exception other)
            when (other
                    is JsonException
                        or KeyNotFoundException
                        or InvalidOperationException
                        or FormatException
                        or ArgumentNullException
            )
        {
            // Somebody else has written it.
            return null;
        }
    }

    /// <summary>
    /// What the runner of the process before this one was called, which is dead, because this one has the folder's
    /// lock. Null when nobody has said.
    /// </summary>
    internal string? ReadLastRunner() =>
        File.Exists(RunnerFile) && File.ReadAllText(RunnerFile).Trim() is var name && RunnerQueues.IsValidRunner(name)
            ? name
            : null;

    internal void WriteRunner(string name) => File.WriteAllText(RunnerFile, name);

    /// <summary>Where its PostgreSQL has its files, if that is not here; null when it is.</summary>
    public string? ExternalDatabaseFolder => PostgresFolder.FindExternal(FullPath);

    /// <summary>Files of databases elsewhere whose data folders are gone, with the paths of those.</summary>
    public static IReadOnlyList<(string Path, string DataFolder)> OrphanedDatabases => PostgresFolder.FindOrphaned();

    internal void WriteEndpoint(Endpoint endpoint) =>
        PrivateFile.WriteAtomically(EndpointFile, JsonSerializer.Serialize(endpoint));

    internal void DeleteEndpoint()
    {
        File.Delete(EndpointFile);
        File.Delete(TokenFile);
    }
}

/// <summary>Where a Wake can be reached.</summary>
/// <param name="Url">Its HTTP door.</param>
/// <param name="ProcessId">Its process.</param>
public sealed record Endpoint(Uri Url, int ProcessId);

/// <summary>Something keeps a standalone Wake from starting. The message says what, and what to do.</summary>
public sealed class StandaloneException(string message) : Exception(message);
