using System.Collections.Concurrent;
using System.Net;
using System.Runtime.Versioning;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.Runner;
using Wake.Store;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>A repository whose author wants programs of theirs to run on the runner, or its token. Each program leaves
/// a file.</summary>
[UnsupportedOSPlatform("windows")]
[Trait("Starts", "processes")]
public sealed class MeetingAHostileRepository : IDisposable
{
    const string Token = "s3cret/of+the owner";

    readonly TemporaryFolder machine = new();
    readonly ProcessLauncher launcher = new(Options.Create(new RunnerOptions()));
    readonly string repository;

    public MeetingAHostileRepository()
    {
        repository = machine.File("hostile");
        Directory.CreateDirectory(machine.File("ran"));
        Directory.CreateDirectory(repository);
    }

    public void Dispose()
    {
        launcher.Dispose();
        machine.Dispose();
    }

    [Fact]
    public async Task Looking_for_commits_in_a_workspace_runs_nothing_that_its_configuration_names()
    {
        await Commit();
        await Sign();
        await Configure(repository);

        // What it would have been like.
        await Plainly("status");
        await Plainly("log", "--all", "--max-count=1", "--format=%H");
        await Plainly("fetch", "ssh://127.0.0.1/x");
        await Plainly("diff");
        await Plainly("update-ref", "refs/heads/another", "HEAD");
        Assert.Superset((HashSet<string>)["fsmonitor", "gpg", "ssh", "clean", "diff", "hook"], Ran());
        Forget();

        using var workspaces = Workspaces();
        Assert.True(await workspaces.HasNewCommits(Turn(repository), CancellationToken.None));

        Assert.Empty(Ran());
    }

    [Fact]
    public async Task What_is_missing_in_a_workspace_is_not_fetched_by_looking()
    {
        await Commit();
        foreach (
            var (name, value) in ((string, string)[])
                [
                    ("core.repositoryFormatVersion", "1"),
                    ("extensions.partialClone", "origin"),
                    ("remote.origin.promisor", "true"),
                    ("remote.origin.url", $"ext::{Program("lazy")}"),
                    ("protocol.ext.allow", "always"),
                ]
        )
            await Plainly("config", name, value);
        await File.WriteAllTextAsync(Path.Combine(repository, ".git/refs/heads/gone"), new string('1', 40) + "\n");
        await Plainly("log", "--all", "--max-count=1", "--format=%H");
        Assert.Equal(["lazy"], Ran());
        Forget();

        using var workspaces = Workspaces();
        await workspaces.HasNewCommits(Turn(repository), CancellationToken.None);

        Assert.Empty(Ran());
    }

    [Fact]
    public async Task No_protocol_is_spoken_and_no_program_of_the_user_is_run_where_one_only_looks()
    {
        await Commit();
        await Configure(repository);
        var git = Git();

        foreach (
            var address in (string[])
                [
                    "ssh://127.0.0.1/x",
                    "https://127.0.0.1:1/x",
                    "git://127.0.0.1:1/x",
                    repository,
                    $"ext::{Program("ext")}",
                ]
        )
            await Assert.ThrowsAsync<GitException>(() =>
                git.RunReadOnly(repository, CancellationToken.None, "fetch", address)
            );

        Assert.Empty(Ran());
    }

    [Fact]
    public async Task It_is_cloned_and_woken_in_without_running_anything()
    {
        await File.WriteAllTextAsync(
            Path.Combine(repository, ".gitattributes"),
            "*.bin filter=lfs diff=evil merge=evil\n"
        );
        await File.WriteAllTextAsync(
            Path.Combine(repository, "large.bin"),
            "version https://git-lfs.github.com/spec/v1\n"
        );
        await File.WriteAllTextAsync(
            Path.Combine(repository, ".lfsconfig"),
            $"[lfs]\n\tcustomtransfer.x.path = {Program("transfer")}\n"
        );
        await File.WriteAllTextAsync(
            Path.Combine(repository, ".gitmodules"),
            $"[submodule \"sub\"]\n\tpath = sub\n\turl = ext::{Program("submodule")}\n\tupdate = !{Program("update")}\n"
        );
        await Commit();
        await Plainly("update-index", "--add", "--cacheinfo", $"160000,{new string('1', 40)},sub");
        await Plainly("-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "--quiet", "-m", "sub");
        await Configure(repository);
        await Plainly("config", "uploadpack.packObjectsHook", Program("pack"));

        // Its owner's: what they have installed for themselves meets what they have not written.
        var global = machine.File("gitconfig");
        Directory.CreateDirectory(machine.File("template/hooks"));
        File.Copy(Program("template"), machine.File("template/hooks/post-checkout"));
        await File.WriteAllTextAsync(
            global,
            $"""
            [filter "lfs"]
                smudge = {Program("smudge")}
            [init]
                templateDir = {machine.File("template")}
            [submodule]
                recurse = true
            [protocol "ext"]
                allow = always
            [uploadpack]
                packObjectsHook = {Program("packed")}
            """
        );
        await Plainly("-c", $"include.path={global}", "clone", "--quiet", repository, machine.File("control"));
        Assert.Superset((HashSet<string>)["smudge", "template"], Ran());
        Forget();

        await using var wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>
            {
                ["Profiles__hostile__Repository"] = repository,
                ["Runner__Cache"] = machine.File("cache"),
                ["GIT_CONFIG_GLOBAL"] = global,
            }
        );
        var workspace = machine.File("workspaces/a");
        var key = await wake.Session("hostile", workspace: workspace);
        await wake.Wake(key, "merged");
        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);

        Assert.StartsWith("version https://git-lfs", await File.ReadAllTextAsync(Path.Combine(workspace, "large.bin")));
        Assert.False(Directory.Exists(Path.Combine(workspace, ".git/hooks")));
        Assert.Empty(Ran());
    }

    [Fact]
    public async Task A_mirror_that_an_agent_has_configured_runs_nothing_when_it_is_fetched_into()
    {
        await Commit();
        using var workspaces = Workspaces();
        Assert.Null(
            await workspaces.Prepare(
                Turn(machine.File("first")),
                new() { Repository = repository },
                CancellationToken.None,
                CancellationToken.None
            )
        );
        var mirror = Assert.Single(Directory.GetDirectories(machine.File("cache/mirrors")));
        await Configure(mirror);

        Assert.Null(
            await workspaces.Prepare(
                Turn(machine.File("second")),
                new() { Repository = repository },
                CancellationToken.None,
                CancellationToken.None
            )
        );

        Assert.True(File.Exists(machine.File("second/file")));
        Assert.Empty(Ran());
    }

    [Theory]
    [InlineData("--upload-pack=PROGRAM")]
    [InlineData("ext::PROGRAM")]
    [InlineData("PROGRAM::x")]
    [InlineData("https://a/b\nc")]
    public async Task An_address_that_is_none_is_refused(string address)
    {
        using var workspaces = Workspaces();
        var profile = new Profile
        {
            Repository = address.Replace("PROGRAM", address.StartsWith('P') ? "fd" : Program("address")),
        };

        var refused = await workspaces.Prepare(
            Turn(machine.File("made")),
            profile,
            CancellationToken.None,
            CancellationToken.None
        );

        Assert.Contains("no address", Assert.IsType<ClaudeResult.Misconfigured>(refused).What);
        Assert.Empty(Ran());
    }

    [Theory]
    [InlineData("https://host/x.git", "https://host/x.git", null)]
    [InlineData("https://robot@host/x.git", "https://robot@host/x.git", null)]
    [InlineData("https://robot:a%2Fb@host:8443/x.git", "https://host:8443/x.git", "username=robot\npassword=a/b\n")]
    [InlineData("https://TOKEN:@host", "https://host", "username=TOKEN\npassword=\n")]
    [InlineData("https://a:b:c@host/x@y:z", "https://host/x@y:z", "username=a\npassword=b:c\n")]
    [InlineData("ssh://git:word@host/x", "ssh://git@host/x", null)]
    [InlineData("git@host:owner/x.git", "git@host:owner/x.git", null)]
    public void An_address_is_parted_from_its_credentials(string repository, string address, string? credentials)
    {
        var remote = GitRemote.Parse(repository);
        Assert.Equal((address, credentials), (remote.Address, remote.Credentials));
    }

    [Theory]
    [InlineData("/a/b", true)]
    [InlineData("../b:c", true)]
    [InlineData("file:///a", true)]
    [InlineData("git@host:a/b", false)]
    [InlineData("https://host/a", false)]
    public void A_folder_is_told_from_a_host(string repository, bool local) =>
        Assert.Equal(local, GitRemote.Parse(repository).IsLocal);

    [Fact]
    public async Task The_token_of_a_repository_is_in_no_command_line_no_environment_and_no_file()
    {
        await Commit();
        await GitCommand.Run(machine.Path, "clone", "--quiet", "--bare", repository, "served.git");
        await GitCommand.Run(machine.File("served.git"), "update-server-info");
        using var server = new DumbServer(machine.File("served.git"), $"robot:{Token}", Token);
        var address = $"http://robot:{Uri.EscapeDataString(Token)}@{server.Host}/x.git";

        // What git shows everybody who asks it plainly.
        await GitCommand.Run(machine.Path, "clone", "--quiet", "--bare", address, "control.git");
        Assert.NotEmpty(server.Seen);
        Assert.Contains(Uri.EscapeDataString(Token), await File.ReadAllTextAsync(machine.File("control.git/config")));
        Directory.Delete(machine.File("control.git"), recursive: true);
        server.Seen.Clear();

        using var workspaces = Workspaces();
        foreach (var workspace in (string[])["first", "second"])
        {
            var made = await workspaces.Prepare(
                Turn(machine.File(workspace)),
                new() { Repository = address },
                CancellationToken.None,
                CancellationToken.None
            );
            Assert.Null(made);
            Assert.True(File.Exists(machine.File($"{workspace}/file")));
            Assert.Equal(
                $"http://{server.Host}/x.git",
                (await GitCommand.Run(machine.File(workspace), "remote", "get-url", "origin")).Trim()
            );
        }

        Assert.True(server.Authorized > 1);
        Assert.Empty(server.Seen);
        Assert.DoesNotContain(
            Directory.EnumerateFiles(machine.Path, "*", SearchOption.AllDirectories),
            x => DumbServer.Shows(File.ReadAllText(x), Token)
        );
    }

    [Fact]
    public async Task The_token_is_shown_to_no_other_host_than_that_of_its_address()
    {
        await Commit();
        await GitCommand.Run(machine.Path, "clone", "--quiet", "--bare", repository, "served.git");
        await GitCommand.Run(machine.File("served.git"), "update-server-info");
        using var elsewhere = new DumbServer(machine.File("served.git"), $"robot:{Token}", Token);
        using var server = new DumbServer(machine.File("served.git"), null, Token)
        {
            Redirect = $"http://{elsewhere.Host}",
        };
        using var workspaces = Workspaces();

        var refused = await workspaces.Prepare(
            Turn(machine.File("made")),
            new() { Repository = $"http://robot:{Uri.EscapeDataString(Token)}@{server.Host}/x.git" },
            CancellationToken.None,
            CancellationToken.None
        );

        Assert.IsType<ClaudeResult.Misconfigured>(refused);
        Assert.True(elsewhere.Asked > 0);
        Assert.Equal(0, elsewhere.Authorized);
    }

    [Fact]
    public async Task The_credential_helpers_of_the_owner_are_not_asked_where_the_address_has_credentials()
    {
        await Commit();
        await GitCommand.Run(machine.Path, "clone", "--quiet", "--bare", repository, "served.git");
        await GitCommand.Run(machine.File("served.git"), "update-server-info");
        using var server = new DumbServer(machine.File("served.git"), $"robot:{Token}", Token);
        var global = machine.File("gitconfig");
        await File.WriteAllTextAsync(global, $"[credential]\n\thelper = !{Program("helper")}\n");
        await Plainly(
            "-c",
            "core.askPass=true",
            "-c",
            $"include.path={global}",
            "ls-remote",
            $"http://{server.Host}/x.git"
        );
        Assert.Equal(["helper"], Ran());
        Forget();

        await using var wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>
            {
                ["Profiles__kept__Repository"] = $"http://robot:{Uri.EscapeDataString(Token)}@{server.Host}/x.git",
                ["Runner__Cache"] = machine.File("cache"),
                ["GIT_CONFIG_GLOBAL"] = global,
            }
        );
        var key = await wake.Session("kept", workspace: machine.File("workspaces/kept"));
        await wake.Wake(key, "merged");

        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);
        Assert.True(server.Authorized > 0);
        Assert.Empty(Ran());
    }

    [Fact]
    public async Task Git_has_an_environment_of_its_own_and_not_the_runners()
    {
        const string name = "MessageBus__Host__of__a__test";
        await Commit();
        string[] shown = ["-c", "alias.shown=!env", "shown"];
        var git = Git();

        // Of this process, as a runner has its secrets.
        Environment.SetEnvironmentVariable(name, "rabbitmq://x");
        try
        {
            var (read, made, reached) = (
                await git.RunReadOnly(repository, CancellationToken.None, shown),
                await git.RunLocal(repository, CancellationToken.None, shown),
                await git.RunRemote(repository, GitRemote.Parse("https://host/x"), CancellationToken.None, shown)
            );

            Assert.All([read, made, reached], x => Assert.DoesNotContain(name, x));
            Assert.All([read, made], x => Assert.Contains("HOME=/nonexistent\n", x));
            Assert.All(
                [read, made],
                x =>
                    Assert.Empty(
                        x.Split('\n', StringSplitOptions.RemoveEmptyEntries)
                            .Select(line => line.Split('=')[0])
                            .Where(variable => !variable.StartsWith("GIT_", StringComparison.Ordinal))
                            .Except(["PATH", "HOME", "LC_ALL", "WAKE_RUN", "PWD", "OLDPWD", "SHLVL", "_"])
                    )
            );
        }
        finally
        {
            Environment.SetEnvironmentVariable(name, null);
        }
    }

    Git Git() => new(launcher, new(new(), TimeProvider.System, NullLogger<RunReaper>.Instance));

    // It asks nobody who is in the store.
    Workspaces Workspaces() =>
        new(
            null!,
            Git(),
            Options.Create(new RunnerOptions { Cache = machine.File("cache") }),
            NullLogger<Workspaces>.Instance
        );

    static ClaimedTurn Turn(string workspace) =>
        new(Guid.NewGuid(), "a", 1, 1, 1, 0, 0, false, workspace, "default", null, [])
        {
            FirstClaimedAt = DateTimeOffset.UtcNow.AddHours(-1),
        };

    // A repository's configuration and hooks, with a program wherever git knows a place for one.
    async Task Configure(string folder)
    {
        await File.WriteAllTextAsync(machine.File("attributes"), "* filter=evil diff=evil\n");
        foreach (
            var (name, value) in ((string, string)[])
                [
                    ("core.fsmonitor", Program("fsmonitor")),
                    ("core.sshCommand", Program("ssh")),
                    ("core.gitProxy", Program("proxy")),
                    ("core.pager", Program("pager")),
                    ("core.editor", Program("editor")),
                    ("core.askPass", Program("askpass")),
                    ("core.alternateRefsCommand", Program("alternates")),
                    ("gpg.program", Program("gpg")),
                    ("log.showSignature", "true"),
                    ("credential.helper", $"!{Program("helper")}"),
                    ("diff.external", Program("diff")),
                    ("diff.evil.textconv", Program("textconv")),
                    ("filter.evil.clean", Program("clean")),
                    ("filter.evil.smudge", Program("smudge")),
                    ("core.attributesFile", machine.File("attributes")),
                    ("protocol.allow", "always"),
                    ("remote.origin.uploadpack", Program("uploadpack")),
                    ("remote.origin.vcs", Program("vcs")),
                ]
        )
            await GitCommand.Run(folder, "config", name, value);

        var hooks = Path.Combine(folder, Directory.Exists(Path.Combine(folder, ".git")) ? ".git/hooks" : "hooks");
        Directory.CreateDirectory(hooks);
        foreach (
            var hook in (string[])
                ["reference-transaction", "post-checkout", "post-merge", "pre-auto-gc", "post-index-change"]
        )
            File.Copy(Program("hook"), Path.Combine(hooks, hook), overwrite: true);
        if (File.Exists(Path.Combine(folder, "file")))
            await File.WriteAllTextAsync(Path.Combine(folder, "file"), "elif");
    }

    string Program(string name)
    {
        var file = machine.File($"run-{name}");
        File.WriteAllText(file, $"#!/bin/sh\n: >'{machine.File("ran")}/{name}'\nexit 1\n");
        File.SetUnixFileMode(file, (UnixFileMode)0b111_101_101);
        return file;
    }

    HashSet<string> Ran() => [.. Directory.EnumerateFiles(machine.File("ran")).Select(x => Path.GetFileName(x))];

    void Forget()
    {
        foreach (var file in Directory.EnumerateFiles(machine.File("ran")))
            File.Delete(file);
    }

    async Task Commit()
    {
        await File.WriteAllTextAsync(Path.Combine(repository, "file"), "file");
        await GitCommand.Run(repository, "init", "--quiet");
        await GitCommand.Run(repository, "add", ".");
        await GitCommand.Commit(repository, "first");
    }

    // As gpg would have, for whoever verifies it.
    async Task Sign()
    {
        var commit = await GitCommand.Run(repository, "cat-file", "commit", "HEAD");
        var file = machine.File("commit");
        await File.WriteAllTextAsync(
            file,
            commit.Replace("\n\n", "\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\n")
        );
        var signed = (await GitCommand.Run(repository, "hash-object", "-t", "commit", "-w", file)).Trim();
        await GitCommand.Run(repository, "update-ref", "HEAD", signed);
    }

    async Task Plainly(params string[] arguments)
    {
        using var process = System.Diagnostics.Process.Start(
            new System.Diagnostics.ProcessStartInfo("git", arguments)
            {
                WorkingDirectory = repository,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            }
        )!;
        var output = process.StandardOutput.ReadToEndAsync();
        await process.StandardError.ReadToEndAsync();
        await output;
        await process.WaitForExitAsync();
    }

    // Serves files, to whoever knows the password, and looks around meanwhile who shows the token.
    sealed class DumbServer : IDisposable
    {
        readonly HttpListener listener = new();
        readonly string folder,
            token;
        readonly string? credentials;

        public DumbServer(string folder, string? credentials, string token)
        {
            (this.folder, this.credentials, this.token) = (folder, credentials, token);
            Host = $"127.0.0.1:{RabbitNode.FreePort()}";
            listener.Prefixes.Add($"http://{Host}/");
            listener.Start();
            _ = Task.Run(Serve);
        }

        public string Host { get; }

        public string? Redirect { get; init; }

        public int Asked,
            Authorized;

        public ConcurrentBag<string> Seen { get; } = [];

        public static bool Shows(string text, string token) =>
            text.Contains(token) || text.Contains(Uri.EscapeDataString(token));

        async Task Serve()
        {
            while (true)
            {
                HttpListenerContext context;
                try
                {
                    context = await listener.GetContextAsync();
                }
                catch (Exception closed) when (closed is HttpListenerException or ObjectDisposedException)
                {
                    return;
                }

                Asked++;
                Answer(context);
                context.Response.Close();
            }
        }

        void Answer(HttpListenerContext context)
        {
            Look();
            var (request, response) = (context.Request, context.Response);
            if (Redirect is not null)
            {
                (response.StatusCode, response.RedirectLocation) = (302, Redirect + request.RawUrl);
                return;
            }

            if (
                request.Headers["Authorization"]
                != $"Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes(credentials!))}"
            )
            {
                response.StatusCode = 401;
                response.AddHeader("WWW-Authenticate", "Basic realm=\"x\"");
                return;
            }

            Authorized++;
            var file = Path.Combine(folder, request.Url!.AbsolutePath["/x.git/".Length..]);
            if (!File.Exists(file))
                response.StatusCode = 404;
            else
                response.OutputStream.Write(File.ReadAllBytes(file));
        }

        void Look()
        {
            foreach (
                var process in Directory
                    .EnumerateDirectories("/proc")
                    .Where(x => char.IsAsciiDigit(Path.GetFileName(x)[0]))
            )
            {
                foreach (var name in (string[])["cmdline", "environ"])
                {
                    try
                    {
                        if (File.ReadAllText(Path.Combine(process, name)) is var text && Shows(text, token))
                            Seen.Add(text);
                    }
                    catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
                    {
                        // Has ended meanwhile.
                    }
                }
            }
        }

        public void Dispose() => listener.Close();
    }
}
