using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Extensions.Options;
using Wake.ServiceDefaults;

namespace Wake.Tests.HouseRules;

/// <summary>What text from outside can do to whoever reads the log: nothing.</summary>
public sealed class ConsoleLogs
{
    static string Written(string message, Exception? exception = null, bool singleLine = false)
    {
        var builder = Host.CreateApplicationBuilder();
        builder.AddTelemetry();
        builder.Services.Configure<SimpleConsoleFormatterOptions>(x => x.SingleLine = singleLine);
        using var services = builder.Services.BuildServiceProvider();
        var name = services.GetRequiredService<IOptions<ConsoleLoggerOptions>>().Value.FormatterName;
        var formatter = services.GetServices<ConsoleFormatter>().Single(x => x.Name == name);

        using var written = new StringWriter { NewLine = "\n" };
        formatter.Write(
            new LogEntry<string>(LogLevel.Warning, "Wake.Test", new(7), message, exception, (x, _) => x),
            null,
            written
        );
        return written.ToString().ReplaceLineEndings("\n");
    }

    [Fact]
    public void No_text_begins_a_line_moves_the_cursor_or_hides()
    {
        var written = Written(
            "A delivery\r\nfail: Wake.Runner[0]\u2028      forged\u001b[2J\u001b]0;title\u0007\b\u202egnp.exe "
                + "\U000E0041 ü"
        );

        Assert.Equal(
            "warn: Wake.Test[7]\n      A delivery\n      fail: Wake.Runner[0]\n            "
                + "forged\\u001b[2J\\u001b]0;title\\u0007\\u0008\\u202egnp.exe \\U000e0041 ü\n",
            written
        );
        Assert.Equal("warn: Wake.Test[7] one two\n", Written("one\ntwo", singleLine: true));
    }

    [Theory]
    [InlineData(null, "wake")]
    [InlineData("json", "json")]
    public void Every_kind_of_host_writes_so_unless_its_settings_say_otherwise(string? setting, string expected)
    {
        IHostApplicationBuilder[] hosts =
        [
            Host.CreateApplicationBuilder(),
            WebApplication.CreateBuilder(),
            WebApplication.CreateSlimBuilder(),
        ];
        foreach (var builder in hosts)
        {
            if (setting is not null)
                builder.Configuration["Logging:Console:FormatterName"] = setting;
            builder.AddTelemetry();
            using var services = builder.Services.BuildServiceProvider();
            Assert.Equal(expected, services.GetRequiredService<IOptions<ConsoleLoggerOptions>>().Value.FormatterName);
        }
    }

    [Fact]
    public void No_secret_stands_in_it_nor_in_an_exception()
    {
        var written = Written(
            "asked with Authorization: Bearer 0123456789abcdef",
            new InvalidOperationException("Host=db;Password=hunter2\u001b[1m")
        );

        Assert.Contains("Bearer [redacted]", written);
        Assert.Contains("System.InvalidOperationException: Host=db;Password=[redacted]", written);
        Assert.DoesNotContain("\u001b", written);
    }
}
