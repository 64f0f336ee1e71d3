using MailKit.Net.Smtp;
using MailKit.Security;
using MimeKit;
using Wake.Store;

namespace Wake.Notifier;

/// <summary>E-mail over SMTP.</summary>
sealed class EmailSender(NotificationTarget target) : NotificationSender
{
    const int MaxSubject = 200;

    internal override async Task<SendResult> Send(ClaimedNotification message, CancellationToken cancel)
    {
        using var mail = Compose(target, message);
        using var client = new ClientForSome();
        try
        {
            await Connect(client, cancel);
            await client.SendAsync(mail, cancel);
        }
        catch (SmtpCommandException refused)
        {
            // 5xx: for good. Who may not send at all may be allowed to later.
            return new SendResult.Failed($"SMTP {(int)refused.StatusCode}: {refused.Message}")
            {
                Permanent =
                    (int)refused.StatusCode >= 500
                    && refused.ErrorCode
                        is SmtpErrorCode.MessageNotAccepted
                            or SmtpErrorCode.RecipientNotAccepted
                            or SmtpErrorCode.SenderNotAccepted,
            };
        }

        await Leave(client, cancel);
        return new SendResult.Delivered();
    }

    public override async Task<string?> FindProblem(CancellationToken cancel)
    {
        using var client = new SmtpClient();
        try
        {
            await Connect(client, cancel);
            await client.NoOpAsync(cancel);
            await Leave(client, cancel);
            return null;
        }
        catch (Exception failed) when (failed is not OperationCanceledException)
        {
            return $"{target.Host}:{target.Port} does not let Wake in: {failed.GetBaseException().Message}";
        }
    }

    async Task Connect(SmtpClient client, CancellationToken cancel)
    {
        await client.ConnectAsync(
            target.Host!,
            target.Port,
            target.Security switch
            {
                SmtpSecurity.Tls => SecureSocketOptions.SslOnConnect,
                SmtpSecurity.None => SecureSocketOptions.None,
                _ => SecureSocketOptions.StartTls,
            },
            cancel
        );
        if (target.User is { } user)
            await client.AuthenticateAsync(user, target.Password!, cancel);
    }

    // One address that is refused for good keeps nobody else from theirs.
    sealed class ClientForSome : SmtpClient
    {
        protected override void OnRecipientNotAccepted(
            MimeMessage message,
            MailboxAddress mailbox,
            SmtpResponse response
        )
        {
            if ((int)response.StatusCode < 500)
                base.OnRecipientNotAccepted(message, mailbox, response);
        }
    }

    // The server has the message; that it is not let go in good order changes nothing.
    static async Task Leave(SmtpClient client, CancellationToken cancel)
    {
        try
        {
            await client.DisconnectAsync(quit: true, cancel);
        }
        catch (Exception cut) when (cut is IOException or SmtpProtocolException or SmtpCommandException)
        {
            return;
        }
        catch (OperationCanceledException)
        {
            return;
        }
    }

    /// <summary>The e-mail of a message. Its Message-Id is the same in every attempt.</summary>
    public static MimeMessage Compose(NotificationTarget target, ClaimedNotification message)
    {
        var from = MailboxAddress.Parse(target.From!);
        var mail = new MimeMessage
        {
            Subject = NotificationText.Cut(NotificationText.Title(message), MaxSubject),
            Body = new TextPart("plain") { Text = NotificationText.Body(message) },
            MessageId = $"{message.Id}@{from.Domain}",
            Date = message.Facts[0].At,
        };
        mail.From.Add(from);
        mail.To.AddRange(target.To!.Select(MailboxAddress.Parse));
        mail.Headers.Add("Auto-Submitted", "auto-generated");
        if (message.Urgent)
            mail.Importance = MessageImportance.High;
        return mail;
    }
}
