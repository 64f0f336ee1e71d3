using System.ComponentModel;
using System.Diagnostics;
using System.Text.RegularExpressions;
using Wake.ServiceDefaults;

namespace Wake.Runner;

/// <summary>
/// Runs <c>git</c>, without a shell's words, without a prompt, not for ever, and no longer than the runner lives.
/// Whoever writes into a repository can name programs in its configuration; none of them is run. There are three ways,
/// each with what it needs and no more: <see cref="RunReadOnly"/>, <see cref="RunRemote"/> and <see cref="RunLocal"/>.
/// </summary>
sealed partial class Git(ProcessLauncher launcher, RunReaper processes)
{
    // To fetch a large repository over a slow line; and to look into one, whose configuration may be a pipe that nobody
    // writes to.
    static readonly TimeSpan FetchTimeout = TimeSpan.FromMinutes(10),
        ReadTimeout = TimeSpan.FromMinutes(1);

    static readonly string CredentialHelper = Path.Combine(AppContext.BaseDirectory, "git-credentials.sh");

    // Programs that the configuration of a repository may name, and that those of its owner need not run here either.
    static readonly string[] SafeSettings =
    [
        "core.hooksPath=/dev/null",
        "core.fsmonitor=false",
        "core.pager=cat",
        "core.alternateRefsCommand=true",
        "core.editor=false",
        "submodule.recurse=false",
        "fetch.recurseSubmodules=false",
        "core.protectHFS=true",
        "core.protectNTFS=true",
        "gc.autoDetach=false",
    ];

    // And those by which it would talk to others, sign, compare. The workspace may be another user's: nothing of its
    // own counts.
    static readonly string[] IsolatedSettings =
    [
        .. SafeSettings,
        "core.sshCommand=false",
        "core.gitProxy=false",
        "core.askPass=",
        "credential.helper=",
        "protocol.allow=never",
        "gpg.program=false",
        "log.showSignature=false",
        "diff.external=",
        "gc.auto=0",
        "maintenance.auto=false",
        "safe.directory=*",
    ];

    // What git, ssh and the credential helpers of the owner need to reach a repository as the owner does.
    static readonly HashSet<string> OwnerVariables = new(
        [
            "HOME",
            "USER",
            "LOGNAME",
            "TMPDIR",
            "XDG_CONFIG_HOME",
            "XDG_RUNTIME_DIR",
            "DBUS_SESSION_BUS_ADDRESS",
            "SSH_AUTH_SOCK",
            "SSH_ASKPASS",
            "GIT_SSH",
            "GIT_SSH_COMMAND",
            "GIT_SSH_VARIANT",
            "GIT_ASKPASS",
            "GIT_TOKEN",
            "GIT_USERNAME",
            "GIT_PASSWORD",
            "GH_TOKEN",
            "GITHUB_TOKEN",
            "GH_CONFIG_DIR",
            "GITLAB_TOKEN",
            "SSL_CERT_FILE",
            "SSL_CERT_DIR",
            "CURL_CA_BUNDLE",
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "NO_PROXY",
        ],
        StringComparer.OrdinalIgnoreCase
    );

    // GIT_SSL_CAINFO, GIT_CONFIG_GLOBAL, GIT_CONFIG_KEY_0 and the like.
    static readonly string[] OwnerVariablePrefixes = ["GIT_SSL_", "GIT_HTTP_", "GIT_PROXY_SSL_", "GIT_CONFIG_"];

    /// <summary>Looks into a repository, in which anybody may have worked, and returns what git printed.</summary>
    /// <param name="folder">Where; must exist.</param>
    /// <param name="cancel">Ends it, and what it has started.</param>
    /// <param name="arguments">A command of plumbing, since those for people run filters, pagers and gpg; and its
    /// arguments.</param>
    /// <exception cref="GitException">It failed; the message is what it said.</exception>
    public Task<string> RunReadOnly(string folder, CancellationToken cancel, params string[] arguments) =>
        RunGit(
            new(folder, IsolatedSettings, IsolatedEnvironment("none"), ReadTimeout) { IsWorkspace = true },
            arguments,
            cancel
        );

    /// <summary>
    /// Makes a workspace, or mends one, from a repository of this machine. Nothing is filtered on the way: a file of
    /// LFS is what is committed.
    /// </summary>
    public Task<string> RunLocal(string folder, CancellationToken cancel, params string[] arguments) =>
        RunGit(new(folder, IsolatedSettings, IsolatedEnvironment("file"), FetchTimeout), arguments, cancel);

    /// <summary>
    /// Reaches a repository with the configuration, the keys and the credential helpers of the runner's user, or with
    /// the credentials in its address and nothing else. To be used in folders that only the runner writes to.
    /// </summary>
    public Task<string> RunRemote(string folder, GitRemote remote, CancellationToken cancel, params string[] arguments)
    {
        // Others, such as ext, run a program that the address names.
        var environment = BaseEnvironment(remote.IsLocal ? "file" : "https:http:ssh:git");
        foreach (var (name, value) in ProcessLauncher.OwnEnvironment())
        {
            if (
                OwnerVariables.Contains(name)
                || OwnerVariablePrefixes.Any(x => name.StartsWith(x, StringComparison.Ordinal))
            )
                environment[name] = value;
        }

        if (remote.Credentials is null)
            return RunGit(new(folder, SafeSettings, environment, FetchTimeout), arguments, cancel);

        foreach (
            var name in (string[])
                ["GIT_TOKEN", "GIT_USERNAME", "GIT_PASSWORD", "GH_TOKEN", "GITHUB_TOKEN", "GITLAB_TOKEN"]
        )
            environment.Remove(name);
        environment["WAKE_GIT_ORIGIN"] = remote.Origin!;

        // The first takes back those of the owner: they would be asked first, and told to keep what they do not know.
        string[] settings =
        [
            .. SafeSettings,
            "credential.helper=",
            $"credential.helper=!sh '{CredentialHelper.Replace("'", "'\\''")}'",
        ];
        return RunGit(
            new(folder, settings, environment, FetchTimeout) { Credentials = remote.Credentials },
            arguments,
            cancel
        );
    }

    async Task<string> RunGit(Call call, string[] arguments, CancellationToken cancel)
    {
        var mark = ProcessTable.NewTag();
        call.Environment[RunTag.Variable] = mark.ToString();
        string[] all = ["--no-pager", .. call.Settings.SelectMany(x => (string[])["-c", x]), .. arguments];

        // Where a run has worked git might run programs of its user, whoever's the folder itself is.
        var apart = RunUser.Current is not null && (call.IsWorkspace || RunUser.Owns(call.Folder));
        if (apart)
            RunUser.Current!.Apply(call.Environment);

        using var longest = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        longest.CancelAfter(call.Timeout);
        try
        {
            // What is read from there is for the helper alone.
            using var process = call.Credentials is null
                ? await launcher.Start("git", all, call.Folder, call.Environment, apart)
                : await launcher.Start(
                    "sh",
                    ["-c", "exec 3<&0 </dev/null git \"$@\"", "git", .. all],
                    call.Folder,
                    call.Environment
                );
            await WriteCredentials(process, call.Credentials);
            var output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
            var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
            await process.WaitForExitAsync(longest.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

            // Asked first: it removes its locks, which would keep out the next one. Where nobody sees them, killed.
            if (longest.IsCancellationRequested)
                await processes.EndRun(mark, RunReaper.Grace);
            if (!process.HasExited)
                process.KillTree();
            await process.WaitForExitAsync(CancellationToken.None);
            cancel.ThrowIfCancellationRequested();

            if (longest.IsCancellationRequested)
                throw new GitException(
                    $"git {arguments[0]} took longer than {call.Timeout.TotalMinutes} minutes",
                    mayPass: true
                );
            return process.ExitCode == 0 ? await output : throw CreateException(arguments[0], await errors);
        }
        catch (Win32Exception missing)
        {
            throw new GitException($"git cannot be started: {missing.Message}", mayPass: false);
        }
    }

    static async Task WriteCredentials(Process process, string? credentials)
    {
        try
        {
            if (credentials is not null)
                await process.StandardInput.WriteAsync(credentials);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has ended already, and says why.
        }
    }

    // Neither the machine's configuration nor the user's, and nobody to ask.
    static Dictionary<string, string> IsolatedEnvironment(string protocols) =>
        new(BaseEnvironment(protocols))
        {
            ["HOME"] = "/nonexistent",
            ["GIT_CONFIG_NOSYSTEM"] = "1",
            ["GIT_CONFIG_SYSTEM"] = "/dev/null",
            ["GIT_CONFIG_GLOBAL"] = "/dev/null",
            ["GIT_ATTR_NOSYSTEM"] = "1",
        };

    static Dictionary<string, string> BaseEnvironment(string protocols) =>
        new()
        {
            // A relative one is the workspace.
            ["PATH"] = string.Join(
                ':',
                (Environment.GetEnvironmentVariable("PATH") ?? "/usr/local/bin:/usr/bin:/bin")
                    .Split(':')
                    .Where(Path.IsPathFullyQualified)
            ),
            ["GIT_TERMINAL_PROMPT"] = "0",
            ["GIT_ALLOW_PROTOCOL"] = protocols,
            ["GIT_NO_LAZY_FETCH"] = "1",
            ["GIT_OPTIONAL_LOCKS"] = "0",
            ["GIT_LFS_SKIP_SMUDGE"] = "1",
            // What it says is read.
            ["LC_ALL"] = "C",
        };

    /// <summary>Its failure, from what it said.</summary>
    public static GitException CreateException(string what, string errors) =>
        new(
            $"git {what}: {Redaction.Redact(errors, new Dictionary<string, string>()).Trim()}",
            mayPass: !Final().IsMatch(errors)
        );

    // The ways to have no connection are many and change with every library; those of being refused are few.
    [GeneratedRegex(
        "not found|does not exist|not appear to be a git repository|Authentication failed|could not read "
            + "(Username|Password)"
            + "|Permission denied|verification failed|returned error: 4(?!08|29)|transport '|is not a git "
            + "command|failed to execute"
    )]
    private static partial Regex Final();

    sealed record Call(string Folder, string[] Settings, Dictionary<string, string> Environment, TimeSpan Timeout)
    {
        public string? Credentials { get; init; }

        public bool IsWorkspace { get; init; }
    }
}

/// <summary>Git did not do it.</summary>
sealed class GitException(string message, bool mayPass) : Exception(message)
{
    /// <summary>Whether the same again may succeed without anybody mending something.</summary>
    public bool IsTransient => mayPass;
}
