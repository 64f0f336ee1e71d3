using System.Text;
using System.Text.Json;
using Wake.Notifier;
using Wake.Store;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Notifying;

/// <summary>Each kind of target, against somebody who speaks its protocol. What sessions write stays text.</summary>
[System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
public sealed class SendingByEveryKind
{
    static readonly CancellationToken Cancel = CancellationToken.None;

    const string Hostile = "Red\r\nBcc: all@example.com\u0007\u202E<b>*bold*</b> @everyone \u0000";

    [Fact]
    public async Task Ntfy_publishes_as_json_whatever_the_text()
    {
        await using var server = await LoopbackReceiver.Start();
        var sender = Sender("Ntfy", $"Url={server.Url} Topic=wake Token=tk_secret");

        Assert.IsType<SendResult.Delivered>(await sender.Send(Question(Hostile + new string('é', 20_000)), Cancel));

        var request = Assert.Single(server.Requests);
        Assert.Equal(
            ("POST", "/", "Bearer tk_secret"),
            (request.Method, request.Path, request.Headers["authorization"])
        );
        var body = JsonElement.Parse(request.Body);
        Assert.Equal("wake", body.GetProperty("topic").GetString());
        Assert.Equal(4, body.GetProperty("priority").GetInt32());
        Assert.StartsWith(
            "asker asks: Red\\r\\nBcc: all@example.com\\u0007\\u202e<b>*bold*</b> @everyone",
            body.GetProperty("title").GetString(),
            StringComparison.Ordinal
        );
        var message = body.GetProperty("message").GetString()!;
        Assert.InRange(Encoding.UTF8.GetByteCount(message), 1, 4_000);
        Assert.DoesNotContain(message, x => char.IsControl(x) && x != '\n');
    }

    [Fact]
    public async Task Ntfy_says_whether_its_topic_is_open_to_the_token()
    {
        await using var server = await LoopbackReceiver.Start();
        var sender = Sender("Ntfy", $"Url={server.Url} Topic=wake Token=tk_secret");
        Assert.Null(await sender.FindProblem(Cancel));
        server.AnswerWith(403);
        Assert.Contains("refuses the topic wake", await sender.FindProblem(Cancel));
        Assert.All(server.Requests, x => Assert.Equal(("GET", "/wake/auth"), (x.Method, x.Path)));
    }

    [Fact]
    public async Task An_email_reaches_the_server_and_its_subject_stays_one_line()
    {
        await using var server = await LoopbackSmtp.Start();
        var sender = Sender(
            "Email",
            $"Host=localhost Port={server.Port} Security=None User=wake Password=right From=wake@example.com "
                + "To:0=me@example.com To:1=you@example.com"
        );
        var asked = Question(Hostile);

        Assert.Null(await sender.FindProblem(Cancel));
        Assert.Empty(server.Messages);
        Assert.IsType<SendResult.Delivered>(await sender.Send(asked, Cancel));

        var (mail, recipients) = Assert.Single(server.Messages);
        Assert.Equal(["me@example.com", "you@example.com"], recipients);
        Assert.Equal($"{asked.Id}@example.com", mail.MessageId);
        Assert.StartsWith("asker asks: Red\\r\\nBcc: all@example.com\\u0007", mail.Subject, StringComparison.Ordinal);
        Assert.Empty(mail.Bcc);
        Assert.Equal("auto-generated", mail.Headers["Auto-Submitted"]);
        Assert.Contains("- Blue", mail.TextBody);
        Assert.Null(mail.HtmlBody);
    }

    [Fact]
    public async Task An_email_that_is_refused_for_good_is_not_tried_again_and_one_that_is_put_off_is()
    {
        await using var server = await LoopbackSmtp.Start();
        var settings = $"Host=localhost Port={server.Port} Security=None From=wake@example.com";

        var refused = await Sender("Email", $"{settings} To:0=nobody@example.com").Send(Question("?"), Cancel);
        Assert.True(Assert.IsType<SendResult.Failed>(refused).Permanent);
        var later = await Sender("Email", $"{settings} To:0=later@example.com").Send(Question("?"), Cancel);
        Assert.False(Assert.IsType<SendResult.Failed>(later).Permanent);
        Assert.Empty(server.Messages);
    }

    [Fact]
    public async Task A_password_that_is_wrong_is_found_without_sending()
    {
        await using var server = await LoopbackSmtp.Start();
        var sender = Sender(
            "Email",
            $"Host=localhost Port={server.Port} Security=None User=wake Password=wrong From=w@example.com "
                + "To:0=m@example.com"
        );

        Assert.Contains("does not let Wake in", await sender.FindProblem(Cancel));
    }

    // Who is to speak TLS and does not gets no message in clear.
    [Fact]
    public async Task Without_TLS_nothing_is_sent_unless_that_is_set()
    {
        await using var server = await LoopbackSmtp.Start();
        var sender = Sender("Email", $"Host=localhost Port={server.Port} From=w@example.com To:0=m@example.com");

        await Assert.ThrowsAnyAsync<Exception>(() => sender.Send(Question("?"), Cancel));
        Assert.Empty(server.Messages);
    }

    [Fact]
    public async Task A_command_gets_its_arguments_and_the_message_and_nothing_of_the_environment()
    {
        using var folder = new TemporaryFolder();
        Environment.SetEnvironmentVariable("WAKE_TEST_SECRET", "not for a command");
        var script = Script(
            folder,
            $"cat > {folder.File("in")}; env > {folder.File("env")}; echo \"$1\" > {folder.File("argument")}"
        );
        var asked = Question(Hostile);

        var result = await new CommandSender(Command(script, "$(id); `id` 'x'")).Send(asked, Cancel);

        Assert.IsType<SendResult.Delivered>(result);
        Assert.Equal("$(id); `id` 'x'\n", await File.ReadAllTextAsync(folder.File("argument")));
        var body = JsonElement.Parse(await File.ReadAllTextAsync(folder.File("in")));
        Assert.Equal(asked.Id, body.GetProperty("id").GetGuid());
        Assert.StartsWith(
            "Red\r\nBcc",
            body.GetProperty("data").GetProperty("questions")[0].GetProperty("question").GetString(),
            StringComparison.Ordinal
        );
        var environment = await File.ReadAllTextAsync(folder.File("env"));
        Assert.DoesNotContain("WAKE_TEST_SECRET", environment);
        Assert.Contains($"WAKE_NOTIFICATION_ID={asked.Id}", environment);
    }

    [Fact]
    public async Task A_command_that_fails_says_why()
    {
        using var folder = new TemporaryFolder();
        var script = Script(folder, "echo 'no display, token=abcdef123456' >&2; exit 3");

        var failed = Assert.IsType<SendResult.Failed>(
            await new CommandSender(Command(script)).Send(Question("?"), Cancel)
        );

        Assert.StartsWith("exit code 3: no display", failed.Why, StringComparison.Ordinal);
        Assert.DoesNotContain("abcdef123456", failed.Why);
        Assert.Null(await new CommandSender(Command(script)).FindProblem(Cancel));
        Assert.Contains("is not there", await new CommandSender(Command("/nowhere/x")).FindProblem(Cancel));
    }

    [Fact]
    public async Task A_command_that_hangs_is_ended_with_what_it_has_started()
    {
        using var folder = new TemporaryFolder();
        var script = Script(folder, $"sleep 600 & echo $! > {folder.File("pid")}; wait");
        using var bound = new CancellationTokenSource();
        var sending = new CommandSender(Command(script)).Send(Question("?"), bound.Token);
        await Eventually.Holds(() =>
            Task.FromResult(File.Exists(folder.File("pid")) && new FileInfo(folder.File("pid")).Length > 0)
        );

        await bound.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sending);
        var child = (await File.ReadAllTextAsync(folder.File("pid"))).Trim();
        await Eventually.Holds(() =>
            Task.FromResult(
                !File.Exists($"/proc/{child}/stat") || File.ReadAllText($"/proc/{child}/stat").Contains(") Z ")
            )
        );
    }

    [Fact]
    public void A_message_is_bounded_and_has_no_secrets()
    {
        var body = NotificationJson.Write(Question("use sk-ant-0123456789 " + new string('x', 100_000)));

        Assert.InRange(body.Length, 1, 20_000);
        Assert.DoesNotContain("sk-ant-", Encoding.UTF8.GetString(body));
    }

    [Fact]
    public void A_call_that_waits_for_a_person_is_shown()
    {
        var fact = new StatedFact(
            Guid.NewGuid(),
            "question.asked",
            DateTimeOffset.UnixEpoch,
            JsonElement.Parse("""{"session": "asker", "wake": 1, "question": "1"}"""),
            "Bash",
            """{"tool": "Bash", "input": {"command": "rm -r /tmp/x"}, "why": "it asks"}"""
        );
        var message = new ClaimedNotification("t", fact.Id, 1, true, [fact]);

        Assert.Equal("asker asks: may it use Bash?", NotificationText.Title(message));
        Assert.Contains("rm -r /tmp/x", NotificationText.Body(message));
        Assert.Equal(
            "Bash",
            JsonElement
                .Parse(NotificationJson.Write(message))
                .GetProperty("data")
                .GetProperty("permission")
                .GetProperty("tool")
                .GetString()
        );
    }

    static NotificationSender Sender(string kind, string settings)
    {
        var target = TargetSettings.Read(kind, settings);
        Assert.Empty(target.Problems());
        return NotificationSender.Create(target);
    }

    static NotificationTarget Command(params string[] command) =>
        new() { Kind = NotificationKind.Command, Command = command };

    static string Script(TemporaryFolder folder, string text)
    {
        var path = folder.File("script");
        File.WriteAllText(path, $"#!/bin/sh\n{text}\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }

    static ClaimedNotification Question(string text)
    {
        var fact = new StatedFact(
            Guid.NewGuid(),
            "question.asked",
            DateTimeOffset.UnixEpoch,
            JsonElement.Parse("""{"session": "asker", "profile": "default", "wake": 1, "question": "1"}"""),
            QuestionItem.ToolName,
            JsonSerializer.Serialize(
                new
                {
                    questions = new[]
                    {
                        new
                        {
                            question = text,
                            multiSelect = false,
                            options = new[] { new { label = "Red" }, new { label = "Blue" } },
                        },
                    },
                }
            )
        );
        return new("t", fact.Id, 1, true, [fact]);
    }
}
