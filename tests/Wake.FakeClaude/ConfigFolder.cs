using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Wake.FakeClaude;

/// <summary>
/// <c>$CLAUDE_CONFIG_DIR</c>: where transcripts lie, where a test leaves orders for the next start, and where every
/// start and every turn leaves a line for the test to count.
/// </summary>
sealed class ConfigFolder(string path)
{
    const int LongestSlug = 200;

    string Log => Path.Combine(path, "fake-claude.log");
    string Orders => Path.Combine(path, "fake-claude.json");
    string Projects => Path.Combine(path, "projects");

    public string UserSettings => Path.Combine(path, "settings.json");

    /// <summary>The folder the real program gives a working directory; a long name is cut and made unique by a
    /// hash.</summary>
    public static string Slug(string cwd)
    {
        var slug = string.Concat(cwd.Select(x => char.IsAsciiLetterOrDigit(x) ? x : '-'));
        return slug.Length <= LongestSlug ? slug : $"{slug[..LongestSlug]}-{Base36(Math.Abs((long)Hash(cwd)))}";
    }

    public string TranscriptOf(string cwd, string sessionId) => Path.Combine(Projects, Slug(cwd), sessionId + ".jsonl");

    /// <summary>Since 2.1.329 a session is found from any directory, unless two directories claim it.</summary>
    public string? FindTranscript(string cwd, string sessionId)
    {
        if (TranscriptOf(cwd, sessionId) is var own && File.Exists(own))
            return own;

        if (!Directory.Exists(Projects))
            return null;

        var elsewhere = Directory
            .GetDirectories(Projects)
            .Select(x => Path.Combine(x, sessionId + ".jsonl"))
            .Where(File.Exists);
        return elsewhere.ToList() is [var only] ? only : null;
    }

    public void LogStart(Arguments arguments) =>
        Write(
            new()
            {
                ["event"] = "start",
                ["argv"] = new JsonArray([.. arguments.Given.Select(x => JsonValue.Create(x))]),
                ["cwd"] = Environment.CurrentDirectory,
            }
        );

    public void Write(JsonObject line)
    {
        line["pid"] = Environment.ProcessId;
        line["time"] = Clock.Now();
        Append(Log, line.ToLine());
    }

    /// <summary>Appends whole lines even when several processes write at once.</summary>
    public void Append(string file, string line)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(file))!);
        using var turn = Exclusively();
        using var stream = new FileStream(
            file,
            FileMode.OpenOrCreate,
            FileAccess.ReadWrite,
            FileShare.ReadWrite | FileShare.Delete
        );

        // A process killed while writing leaves half a line; what follows must not become part of it.
        if (stream.Length > 0)
        {
            stream.Seek(-1, SeekOrigin.End);
            if (stream.ReadByte() != '\n')
                stream.WriteByte((byte)'\n');
        }

        stream.Write(Json.Utf8.GetBytes(line + "\n"));
    }

    /// <summary>
    /// Takes this start's share of <c>fake-claude.json</c>. Starting several processes at once hands out
    /// <see cref="StartScript.Times"/> shares and not one more.
    /// </summary>
    public StartScript TakeStartScript()
    {
        if (!File.Exists(Orders))
            return StartScript.None;

        using var turn = Exclusively();
        var orders = StartScript.Read(File.ReadAllText(Orders));

        var left = Orders + ".left";
        File.WriteAllText(left, orders.AfterOneStart().ToLine());
        File.Move(left, Orders, overwrite: true);
        return orders;
    }

    /// <summary>The version to report, without using anything up; null when the file does not say.</summary>
    public string? Version() => File.Exists(Orders) ? StartScript.Read(File.ReadAllText(Orders)).Version : null;

    // A lock of its own: the files themselves stay readable for a test at any moment.
    FileStream Exclusively()
    {
        Directory.CreateDirectory(path);
        var patience = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                return new(
                    Path.Combine(path, "fake-claude.lock"),
                    FileMode.OpenOrCreate,
                    FileAccess.ReadWrite,
                    FileShare.None
                );
            }
            // Somebody else holds it, for microseconds.
            catch (IOException) when (patience.Elapsed < TimeSpan.FromSeconds(30))
            {
                Thread.Sleep(1);
            }
        }
    }

    static int Hash(string text) => text.Aggregate(0, (hash, x) => unchecked((hash * 31) + x));

    static string Base36(long number) => number < 36 ? Digit(number) : Base36(number / 36) + Digit(number % 36);

    static string Digit(long number) => "0123456789abcdefghijklmnopqrstuvwxyz"[(int)number].ToString();
}
