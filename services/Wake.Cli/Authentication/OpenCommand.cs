using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace Wake.Cli;

/// <summary><c>wake open</c>: lets a browser of this machine in.</summary>
sealed class OpenCommand : ClientCommand
{
    readonly Argument<string?> target = new("ID")
    {
        Description = "What to open: a session's key, or the id of an event or a question. Default: what needs you.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    readonly Option<int?> turn = new("--turn")
    {
        HelpName = "N",
        Description = "Of a session: the turn to show.",
        CustomParser = given =>
        {
            if (int.TryParse(given.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
                return number;

            given.AddError($"--turn: '{given.Tokens[0].Value}' is not the number of a turn.");
            return null;
        },
    };

    public OpenCommand()
        : base(
            "open",
            "Opens the console in a browser of this machine, which is let in by that for twelve hours.",
            """
            Shows a link that is good for one browser and one minute, and opens it where there is a desktop. On Linux it works for
            browsers of your own user only.

            Examples:
              wake open
              wake open implementer
              wake open implementer --turn 7
              wake open 01234567-89ab-cdef-0123-456789abcdef
            """
        ) => Accepts(target, turn);

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var page = await FindPage(wake, given.GetValue(target), given.GetValue(turn), cancel);
        var answer = (await wake.Post("/v1/browser", cancel)).EnsureSuccess();
        if (output.Json)
        {
            output.Raw(answer.Body);
            return 0;
        }

        var link =
            wake.Url.GetLeftPart(UriPartial.Authority)
            + answer.ReadAs(CliJson.Default.Invitation).Path
            + (page is null ? "" : $"&to={Uri.EscapeDataString(page)}");
        Output.Note(
            Launch(link)
                ? "Opened in your browser. If it did not come up, open this within a minute:"
                : "Open this within a minute:"
        );
        output.Line($"{link}");
        return 0;
    }

    // The page of what somebody named; null where they named nothing.
    static async Task<string?> FindPage(WakeClient wake, string? id, int? turn, CancellationToken cancel)
    {
        if (id is null)
            return turn is null ? null : throw new CommandException("--turn is of a session: name it.");

        var segment = WakeClient.EscapeSegment(id);
        if (await Exists($"/v1/sessions/{segment}"))
            return $"/sessions/{segment}{(turn is null ? "" : $"#turn-{turn}")}";
        if (turn is not null)
            throw new CommandException($"There is no session {id}. wake sessions lists them.");
        if (Guid.TryParseExact(id, "D", out _) && await Exists($"/v1/questions/{segment}"))
            return $"/questions/{segment}";
        if (await Exists($"/v1/explain/events/{segment}"))
            return $"/events/{segment}";
        throw new CommandException($"There is neither a session nor an event nor a question {id}.");

        async Task<bool> Exists(string path)
        {
            var answer = await wake.Get(path, cancel);
            return !answer.IsNotFound && answer.EnsureSuccess().IsSuccess;
        }
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
