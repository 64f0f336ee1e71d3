using System.Diagnostics;
using System.Runtime.Versioning;
using System.Text.Json;
using System.Text.RegularExpressions;
using Wake.ServiceDefaults;
using Wake.Tests.HouseRules;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>What Wake deletes and what it keeps to itself, while others of the machine play with the same
/// folders.</summary>
[UnsupportedOSPlatform("windows")]
[Trait("Starts", "processes")]
public sealed partial class DeletingSafely : IDisposable
{
    readonly TemporaryFolder machine = new();
    readonly string mine,
        theirs;

    public DeletingSafely()
    {
        (mine, theirs) = (machine.File("mine"), machine.File("theirs"));
        Directory.CreateDirectory(Path.Combine(mine, "below/deeper"));
        Directory.CreateDirectory(theirs);
        File.WriteAllText(Path.Combine(mine, "below/file"), "x");
        File.WriteAllText(Path.Combine(theirs, "file"), "theirs");
    }

    public void Dispose() => machine.Dispose();

    [Fact]
    public void All_of_a_folder_goes_and_nothing_that_links_in_it_lead_to()
    {
        File.CreateSymbolicLink(Path.Combine(mine, "below/folder"), theirs);
        File.CreateSymbolicLink(Path.Combine(mine, "link"), Path.Combine(theirs, "file"));
        File.CreateSymbolicLink(Path.Combine(mine, "dangling"), "/nowhere");

        SafeDelete.DeleteDirectory(mine);

        Assert.False(Directory.Exists(mine));
        TheirsStays();
    }

    [Fact]
    public void A_folder_that_was_swapped_for_a_link_stays_and_so_does_what_it_leads_to()
    {
        var made = FileIdentity.FromPath(mine);
        Directory.Move(mine, machine.File("away"));
        File.CreateSymbolicLink(mine, theirs);

        Assert.Throws<IOException>(() => SafeDelete.DeleteDirectory(mine));
        Assert.Throws<IOException>(() => SafeDelete.DeleteDirectory(mine, made));

        TheirsStays();
    }

    [Fact]
    public void Another_folder_in_the_place_of_the_one_that_was_made_stays()
    {
        var made = FileIdentity.Parse($"{FileIdentity.FromPath(mine)}");
        Directory.Move(mine, machine.File("away"));
        Directory.Move(theirs, mine);

        Assert.Contains(
            "another stands in its place",
            Assert.Throws<IOException>(() => SafeDelete.DeleteDirectory(mine, made)).Message
        );
        Assert.True(File.Exists(Path.Combine(mine, "file")));

        SafeDelete.DeleteDirectory(machine.File("away"), made);
        Assert.False(Directory.Exists(machine.File("away")));
    }

    [Fact]
    public async Task Swapping_a_folder_for_a_link_while_it_is_deleted_leads_nowhere()
    {
        var (below, away, link) = (Path.Combine(mine, "below"), machine.File("away"), machine.File("link"));
        File.CreateSymbolicLink(link, theirs);
        using var over = new CancellationTokenSource();

        // Moves what is there and the link to and fro, as fast as it can.
        var swaps = 0;
        var swapping = Task.Run(() =>
        {
            while (!over.IsCancellationRequested)
            {
                if (TryMove(below, away) && TryMove(link, below))
                    swaps++;
                TryMove(below, link);
                TryMove(away, below);
                if (new FileInfo(link).LinkTarget is null && !Directory.Exists(link))
                    File.CreateSymbolicLink(link, theirs);
            }
        });

        for (
            var began = Stopwatch.StartNew();
            Volatile.Read(ref swaps) < 100 && began.Elapsed < TimeSpan.FromSeconds(30);

        )
        {
            try
            {
                Directory.CreateDirectory(below);
                SafeDelete.DeleteDirectory(mine);
            }
            catch (IOException)
            {
                // It was quicker, and put something into it again.
            }
        }

        await over.CancelAsync();
        await swapping;
        Assert.True(swaps > 0);
        TheirsStays();
    }

    [Fact]
    public void Trees_too_deep_for_a_path_and_names_that_are_no_text_go_as_well()
    {
        Perl(
            "chdir $ARGV[0]; open F, '>', \"\\xff\\xfe\"; for (1..3000) { mkdir 'a-folder'; chdir 'a-folder' } open "
                + "F, '>', 'x'"
        );

        SafeDelete.DeleteDirectory(mine);

        Assert.False(Directory.Exists(mine));
    }

    [AsRootFact]
    public void Files_of_another_user_stay_and_are_named()
    {
        using var other = OtherUser.Create();
        Assert.NotNull(other);

        var file = Path.Combine(mine, "below/of-another");
        File.WriteAllText(file, "x");
        Own(other, file);

        Assert.Contains(
            "of-another is not deleted: it belongs to another user",
            Assert.Throws<IOException>(() => SafeDelete.DeleteDirectory(mine)).Message
        );
        Assert.Equal([file], Directory.EnumerateFiles(mine, "*", SearchOption.AllDirectories));

        // Their folder, as anybody can make one where everybody may write.
        Own(other, theirs);
        Assert.Contains(
            "belongs to another user",
            Assert.Throws<IOException>(() => SafeDelete.DeleteDirectory(theirs)).Message
        );
        TheirsStays();

        // Unless it is known to be the one that was made for them.
        SafeDelete.DeleteDirectory(mine, made: null, FileIdentity.FromPath(file)!.Value.UserId);
        Assert.False(Directory.Exists(mine));
    }

    [AsRootFact]
    public void What_is_mounted_in_a_folder_stays()
    {
        var mount = Path.Combine(mine, "below/deeper");
        using var mounting = Process.Start(
            new ProcessStartInfo("mount", ["--bind", theirs, mount]) { RedirectStandardError = true }
        )!;
        mounting.WaitForExit();
        Assert.Equal(0, mounting.ExitCode);

        try
        {
            Assert.Contains("mounted", Assert.Throws<IOException>(() => SafeDelete.DeleteDirectory(mine)).Message);
            TheirsStays();
        }
        finally
        {
            using var unmounting = Process.Start("umount", mount);
            unmounting.WaitForExit();
        }
    }

    [Fact]
    public async Task A_private_file_is_its_users_from_the_first_moment_it_can_be_seen()
    {
        var file = Path.Combine(mine, "secret");
        using var over = new CancellationTokenSource();
        var seen = new HashSet<UnixFileMode>();
        var looking = Task.Run(() =>
        {
            while (!over.IsCancellationRequested)
            {
                foreach (var found in Directory.EnumerateFiles(mine))
                {
                    try
                    {
                        seen.Add(File.GetUnixFileMode(found));
                    }
                    catch (FileNotFoundException)
                    {
                        // Renamed meanwhile.
                    }
                }
            }
        });

        for (var i = 0; i < 2000; i++)
            PrivateFile.WriteAtomically(file, "secret");

        await over.CancelAsync();
        await looking;
        Assert.Equal([PrivateFile.Mode], seen);
    }

    [Fact]
    public void A_private_file_replaces_a_link_and_writes_nothing_where_it_leads()
    {
        var file = Path.Combine(mine, "secret");
        File.CreateSymbolicLink(file, Path.Combine(theirs, "file"));

        PrivateFile.WriteAtomically(file, "secret");

        Assert.Null(new FileInfo(file).LinkTarget);
        TheirsStays();
    }

    [AsRootFact]
    public void A_private_folder_is_closed_to_others_and_is_nobody_elses()
    {
        File.SetUnixFileMode(mine, PrivateDirectory.Mode | UnixFileMode.OtherRead | UnixFileMode.OtherWrite);
        PrivateDirectory.Create(mine);
        Assert.Equal(PrivateDirectory.Mode, File.GetUnixFileMode(mine));

        File.CreateSymbolicLink(machine.File("link"), mine);
        Assert.Contains(
            "is a link",
            Assert.Throws<IOException>(() => PrivateDirectory.Create(machine.File("link"))).Message
        );
        Assert.Throws<IOException>(() => PrivateDirectory.CreateExclusively(mine));
        Assert.Throws<IOException>(() => PrivateDirectory.CreateExclusively(machine.File("link")));

        using var other = OtherUser.Create();
        Assert.NotNull(other);

        Own(other, mine);
        Assert.Contains(
            "belongs to another user",
            Assert.Throws<IOException>(() => PrivateDirectory.Create(mine)).Message
        );
    }

    [AsRootFact]
    public async Task Temporary_files_are_in_a_folder_of_ones_own_whoever_has_taken_its_name()
    {
        using var other = OtherUser.Create();
        Assert.NotNull(other);

        // Where everybody may make folders.
        var (temporary, own) = (machine.File("tmp"), machine.File("tmp/wake-0"));
        Directory.CreateDirectory(temporary);
        File.SetUnixFileMode(temporary, Everybody);
        File.WriteAllText(machine.File("settings.json"), "{}");
        await using var wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>
            {
                ["TMPDIR"] = temporary,
                // Settings of a file are in one again, with the hook.
                ["Profiles__instant__Arguments__0"] = "--settings",
                ["Profiles__instant__Arguments__1"] = machine.File("settings.json"),
            }
        );
        var key = await wake.Session("instant");

        Assert.Equal(own, await Used(1));
        Assert.Equal(PrivateDirectory.Mode, File.GetUnixFileMode(own));

        Directory.Move(own, machine.File("own"));
        Directory.CreateDirectory(own);
        Own(other, own);
        File.SetUnixFileMode(own, Everybody);

        var instead = await Used(2);
        Assert.Equal(temporary, Path.GetDirectoryName(instead));
        Assert.NotEqual(own, instead);
        Assert.Equal(PrivateDirectory.Mode, File.GetUnixFileMode(instead));
        Assert.Empty(Directory.EnumerateFileSystemEntries(own));

        // The folder in which the one of the turn was.
        async Task<string> Used(int turn)
        {
            var file = machine.File($"arguments-{turn}");
            await wake.Wake(key, $"go on [[fake:args {file}]]");
            await wake.WaitForTurnEnd(key, turn);
            var arguments = JsonSerializer.Deserialize<List<string>>(await File.ReadAllTextAsync(file))!;
            var settings = arguments[arguments.IndexOf("--settings") + 1];
            return Path.GetDirectoryName(Path.GetDirectoryName(settings))!;
        }
    }

    const UnixFileMode Everybody = (UnixFileMode)0b111_111_111;

    [Fact]
    public void Nothing_is_deleted_by_path_and_no_name_in_the_temporary_folder_can_be_guessed() =>
        Assert.Equal(
            [
                "PrivateDirectory.cs: Path.GetTempPath",
                "PrivateDirectory.cs: CreateTempSubdirectory",
                "QuestionHook.cs: Path.GetTempPath",
                "QuestionHook.cs: CreateTempSubdirectory",
                "SafeDelete.cs: recursive: true",
            ],
            from folder in (string[])["services", "shared"]
            from file in Repository.Sources(folder)
            from Match found in ByPath().Matches(File.ReadAllText(file))
            orderby Path.GetFileName(file), found.Value descending
            select $"{Path.GetFileName(file)}: {found.Value}"
        );

    [GeneratedRegex(@"recursive: true|Path\.GetTemp\w+|CreateTempSubdirectory")]
    private static partial Regex ByPath();

    void TheirsStays() => Assert.Equal("theirs", File.ReadAllText(Path.Combine(theirs, "file")));

    static bool TryMove(string from, string to)
    {
        try
        {
            Directory.Move(from, to);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    static void Own(OtherUser other, string path)
    {
        using var chown = Process.Start("chown", [other.Name, path]);
        chown.WaitForExit();
        Assert.Equal(0, chown.ExitCode);
    }

    void Perl(string script)
    {
        using var perl = Process.Start("perl", ["-e", script, mine]);
        perl.WaitForExit();
        Assert.Equal(0, perl.ExitCode);
    }
}
