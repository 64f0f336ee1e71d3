using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.Win32.SafeHandles;
using Spectre.Console;
using Wake.ServiceDefaults;

namespace Wake.Cli;

/// <summary>
/// What a command says: JSON for programs, or lines and tables for people, plain unless they look at a terminal.
/// All text that is not this program's own passes through <see cref="Visible"/> on its way.
/// </summary>
sealed class Output(bool json)
{
    readonly Stream stream = Open();

    // Null: without colours.
    readonly Lazy<IAnsiConsole?> colours = new(Colours);

    /// <summary>Whether a program reads this.</summary>
    public bool Json => json;

    /// <summary>Writes an answer of the API as it came.</summary>
    public void Raw(ReadOnlySpan<byte> answer)
    {
        // An answer without content says nothing.
        if (answer.Length > 0)
            Write([.. answer, (byte)'\n']);
    }

    /// <summary>Writes a value as JSON.</summary>
    public void Raw<T>(T value, JsonTypeInfo<T> type) => Raw(JsonSerializer.SerializeToUtf8Bytes(value, type));

    /// <summary>Writes one line. Its own text may carry markup; what stands in its holes is data.</summary>
    public void Line(FormattableString line)
    {
        var markup = line.ToString(EscapingFormatter.Instance);

        if (colours.Value is { } console)
            console.MarkupLine(markup);
        else
            Write(Encoding.UTF8.GetBytes(Markup.Remove(markup) + "\n"));
    }

    /// <summary>Writes a list that the API has answered with: as it came for a program, for a person a row each, or
    /// that there is none.</summary>
    /// <returns>What a person has seen.</returns>
    public T[] List<T>(
        ApiResponse answer,
        JsonTypeInfo<T[]> type,
        IReadOnlyList<string> headings,
        Func<T, IReadOnlyList<string?>> row,
        string none
    )
    {
        if (Json)
        {
            Raw(answer.Body);
            return [];
        }

        var all = answer.ReadAs(type);
        Table(headings, all.Select(row));
        if (all is [])
            Note(none);
        return all;
    }

    /// <summary>
    /// Writes rows under headings; without headings, facts beside their names. Leaves out columns in which nothing
    /// stands.
    /// </summary>
    public void Table(IReadOnlyList<string> headings, IEnumerable<IReadOnlyList<string?>> rows)
    {
        IReadOnlyList<string?>[] all = [.. rows];
        if (all is [])
            return;

        int[] columns = [.. Enumerable.Range(0, all[0].Count).Where(i => all.Any(row => row[i] is { Length: > 0 }))];
        string[][] cells = [.. all.Select(row => columns.Select(i => Visible(row[i] ?? "")).ToArray())];
        string[] titles = headings is [] ? [] : [.. columns.Select(i => headings[i])];
        int[] widths =
        [
            .. columns.Select((_, i) => cells.Append(titles).Where(x => x is not []).Max(row => row[i].GetCellWidth())),
        ];

        if (titles is not [])
            Line($"[dim]{Row(titles)}[/]");
        foreach (var row in cells)
            Line($"{Row(row)}");

        string Row(string[] row) =>
            string.Join("  ", row.Select((x, i) => x + new string(' ', widths[i] - x.GetCellWidth()))).TrimEnd();
    }

    /// <summary>Says something beside the answer, on standard error.</summary>
    public static void Note(string text) =>
        Console.Error.WriteLine(string.Join('\n', text.Split('\n').Select(Visible)));

    /// <summary>Shows a line that may change on the terminal while something goes on; nothing where there is
    /// none.</summary>
    public static async Task<T> Progress<T>(string first, Func<Action<string>, Task<T>> work)
    {
        if (Console.IsErrorRedirected)
            return await work(_ => { });

        return await Terminal(Console.Error)
            .Status()
            .StartAsync(
                Markup.Escape(Visible(first)),
                status => work(text => status.Status(Markup.Escape(Visible(text))))
            );
    }

    /// <summary>A command as it is typed: <c>wake sessions add</c>.</summary>
    public static string NameOf(Command command) =>
        command is RootCommand ? "wake" : $"{NameOf(command.Parents.OfType<Command>().First())} {command.Name}";

    /// <summary>A member of an enum as the API spells it.</summary>
    public static string EnumWord(Enum? member) => JsonNamingPolicy.CamelCase.ConvertName($"{member}");

    /// <summary>
    /// The text with everything in it that a terminal would act on written out: control characters, and the marks that
    /// turn the direction of writing.
    /// </summary>
    public static string Visible(string text) => VisibleText.ReplaceInvisible(text, VisibleText.EscapeSequence);

    // Without enrichers: they switch colours on in CI systems, terminal or not.
    static IAnsiConsole Terminal(TextWriter writer) =>
        AnsiConsole.Create(
            new()
            {
                Out = new AnsiConsoleOutput(writer),
                Enrichment = new() { UseDefaultEnrichers = false },
            }
        );

    // Lines stay lines, however long: the terminal folds them, and what is copied from it has no breaks of ours.
    static IAnsiConsole? Colours()
    {
        if (Console.IsOutputRedirected || Environment.GetEnvironmentVariable("NO_COLOR") is { Length: > 0 })
            return null;

        var console = Terminal(Console.Out);
        console.Profile.Width = 1_000_000;
        return console;
    }

    // Whatever fills a hole, formatted as the hole says and then made harmless.
    sealed class EscapingFormatter : IFormatProvider, ICustomFormatter
    {
        public static readonly EscapingFormatter Instance = new();

        public object? GetFormat(Type? formatType) => formatType == typeof(ICustomFormatter) ? this : null;

        public string Format(string? format, object? arg, IFormatProvider? formatProvider) =>
            Markup.Escape(
                Visible(
                    arg is IFormattable value
                        ? value.ToString(format, CultureInfo.InvariantCulture)
                        : arg?.ToString() ?? ""
                )
            );
    }

    void Write(byte[] text)
    {
        try
        {
            stream.Write(text);
            stream.Flush();
        }
        catch (IOException) when (stream is FileStream)
        {
            throw new BrokenPipeException();
        }
    }

    // The console's own stream does not tell that the reader of a pipe has gone, and wake tail would run on for nobody.
    // For files it is the right one: a stream of our own would write at a position of its own.
    static Stream Open()
    {
        if (Console.IsOutputRedirected && !OperatingSystem.IsWindows())
        {
            var pipe = new FileStream(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write, bufferSize: 0);
            if (!pipe.CanSeek)
                return pipe;
        }

        return Console.OpenStandardOutput();
    }
}

/// <summary>Nobody reads what this writes any more.</summary>
sealed class BrokenPipeException : Exception;

/// <summary>The command cannot do what it was asked. The message says why, and what to do.</summary>
class CommandException(string message) : Exception(message);
