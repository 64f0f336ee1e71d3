using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Extensions.Options;

namespace Wake.ServiceDefaults;

/// <summary>
/// The log on the console: what .NET's own writes, but that no text from outside begins a line, moves a cursor or hides
/// behind what cannot be seen, and that what looks like a secret is not in it.
/// </summary>
sealed class WakeConsoleFormatter(IOptionsMonitor<SimpleConsoleFormatterOptions> options)
    : ConsoleFormatter(WakeConsoleFormatter.FormatterName)
{
    /// <summary>Its name, as <c>Logging__Console__FormatterName</c> would say it.</summary>
    public const string FormatterName = "wake";

    const string Indent = "      ";

    static readonly bool Colours =
        Environment.GetEnvironmentVariable("NO_COLOR") is null or ""
        && !Console.IsErrorRedirected
        && !Console.IsOutputRedirected;

    public override void Write<TState>(
        in LogEntry<TState> logEntry,
        IExternalScopeProvider? scopeProvider,
        TextWriter textWriter
    )
    {
        var message = logEntry.Formatter?.Invoke(logEntry.State, logEntry.Exception) ?? "";
        if (message.Length == 0 && logEntry.Exception is null)
            return;

        var settings = options.CurrentValue;
        if (settings.TimestampFormat is { Length: > 0 } format)
            textWriter.Write((settings.UseUtcTimestamp ? DateTimeOffset.UtcNow : DateTimeOffset.Now).ToString(format));

        var (level, colour) = Level(logEntry.LogLevel);
        textWriter.Write(Colours ? $"\x1b[{colour}m{level}\x1b[39m\x1b[22m" : level);
        textWriter.Write($": {logEntry.Category}[{logEntry.EventId.Id}]");
        Lines(message);
        if (logEntry.Exception is { } exception)
            Lines(exception.ToString());
        textWriter.Write(Environment.NewLine);

        void Lines(string text)
        {
            foreach (var line in Redaction.Redact(text).ReplaceLineEndings("\n").Split('\n'))
            {
                textWriter.Write(settings.SingleLine ? " " : Environment.NewLine + Indent);
                textWriter.Write(
                    VisibleText.ReplaceInvisible(
                        line,
                        rune => rune.Value == '\t' ? "\t" : VisibleText.EscapeSequence(rune)
                    )
                );
            }
        }
    }

    static (string Name, string Colour) Level(LogLevel level) =>
        level switch
        {
            LogLevel.Trace => ("trce", "37"),
            LogLevel.Debug => ("dbug", "37"),
            LogLevel.Information => ("info", "32"),
            LogLevel.Warning => ("warn", "1;33"),
            LogLevel.Error => ("fail", "1;31"),
            _ => ("crit", "1;31"),
        };
}

/// <summary>How a process writes its log on the console.</summary>
public static class ConsoleLogging
{
    /// <summary>Writes it so that text from outside stays text, unless <c>Logging__Console__FormatterName</c> says
    /// otherwise.</summary>
    public static void AddConsoleLog(this IHostApplicationBuilder builder)
    {
        builder.Logging.AddConsoleFormatter<WakeConsoleFormatter, SimpleConsoleFormatterOptions>();
        // What stands in the options by then need not be anybody's wish: the slim host sets "simple" by code, over the
        // settings.
        builder.Services.PostConfigure<ConsoleLoggerOptions>(console =>
            console.FormatterName = builder.Configuration["Logging:Console:FormatterName"] is { Length: > 0 } wanted
                ? wanted
                : WakeConsoleFormatter.FormatterName
        );
    }
}
