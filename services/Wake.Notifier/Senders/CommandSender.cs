using System.ComponentModel;
using System.Diagnostics;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Notifier;

/// <summary>A program that gets the message as JSON on its standard input. No shell sees it.</summary>
sealed class CommandSender(NotificationTarget target) : NotificationSender
{
    // How long to wait for what a program has printed once it has ended.
    static readonly TimeSpan OutputGrace = TimeSpan.FromSeconds(1);

    // What a program needs to find its way. The rest of the environment is Wake's, and has its secrets.
    static readonly string[] Passed =
    [
        "PATH",
        "HOME",
        "USER",
        "LANG",
        "TZ",
        "DISPLAY",
        "WAYLAND_DISPLAY",
        "XDG_RUNTIME_DIR",
        "DBUS_SESSION_BUS_ADDRESS",
    ];

    // Of what it says when it fails, in characters.
    const int MaxError = 500;

    internal override async Task<SendResult> Send(ClaimedNotification message, CancellationToken cancel)
    {
        var start = new ProcessStartInfo(target.Command![0], target.Command.Skip(1))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = "/",
        };
        foreach (var name in start.Environment.Keys.Except(Passed).ToList())
            start.Environment.Remove(name);
        start.Environment["WAKE_NOTIFICATION_ID"] = $"{message.Id}";

        using var process = new Process { StartInfo = start };
        try
        {
            process.Start();
        }
        catch (Win32Exception missing)
        {
            return new SendResult.Failed(missing.Message);
        }

        try
        {
            var output = ReadHead(process.StandardOutput, cancel);
            var errors = ReadHead(process.StandardError, cancel);
            await Write(process, NotificationJson.Write(message), cancel);
            await process.WaitForExitAsync(cancel);

            // What it has left running may hold them open.
            await Task.WhenAny(Task.WhenAll(output, errors), Task.Delay(OutputGrace, CancellationToken.None));
            var said = errors.IsCompletedSuccessfully ? Redaction.Redact(errors.Result).Trim() : "";
            return process.ExitCode == 0
                ? new SendResult.Delivered()
                : new SendResult.Failed($"exit code {process.ExitCode}{(said.Length > 0 ? $": {said}" : "")}");
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
    }

    public override Task<string?> FindProblem(CancellationToken cancel)
    {
        var path = target.Command![0];
        return Task.FromResult(
            !File.Exists(path) ? $"{path} is not there"
            : !ExecutableFile.Exists(path) ? $"{path} is no program that can be run"
            : null
        );
    }

    // A program that does not read it all may be right.
    static async Task Write(Process process, byte[] body, CancellationToken cancel)
    {
        try
        {
            await process.StandardInput.BaseStream.WriteAsync(body, cancel);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            return;
        }
    }

    static async Task<string> ReadHead(StreamReader stream, CancellationToken cancel)
    {
        var head = "";
        var buffer = new char[4096];
        while (await stream.ReadAsync(buffer, cancel) is > 0 and var read)
        {
            if (head.Length < MaxError)
                head += new string(buffer, 0, Math.Min(read, MaxError - head.Length));
        }

        return head;
    }
}
