using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;

namespace Wake.Cli;

/// <summary><c>wake open</c>: lets a browser of this machine in.</summary>
sealed class OpenCommand : ClientCommand
{
    public OpenCommand()
        : base(
            "open",
            "Opens Wake in a browser of this machine, which is let in by that for twelve hours.",
            """
            Shows a link that is good for one browser and one minute, and opens it where there is a desktop. On Linux it works for
            browsers of your own user only.

            Example:
              wake open
            """
        ) => Accepts();

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var answer = (await wake.Post("/v1/browser", cancel)).EnsureSuccess();
        if (output.Json)
        {
            output.Raw(answer.Body);
            return 0;
        }

        var link = wake.Url.GetLeftPart(UriPartial.Authority) + answer.ReadAs(CliJson.Default.Invitation).Path;
        Output.Note(
            Launch(link)
                ? "Opened in your browser. If it did not come up, open this within a minute:"
                : "Open this within a minute:"
        );
        output.Line($"{link}");
        return 0;
    }

    static bool Launch(string link)
    {
        var (program, arguments) =
            OperatingSystem.IsWindows() ? ("rundll32", (string[])["url.dll,FileProtocolHandler", link])
            : OperatingSystem.IsMacOS() ? ("open", [link])
            : ("xdg-open", [link]);
        if (OperatingSystem.IsLinux() && !IsSet("DISPLAY") && !IsSet("WAYLAND_DISPLAY"))
            return false;

        try
        {
            using var browser = Process.Start(
                new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true }
            );
            return browser is not null;
        }
        catch (Win32Exception)
        {
            // It is not installed.
            return false;
        }

        static bool IsSet(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 };
    }
}
