using System.Buffers;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using MimeKit;
using SmtpServer;
using SmtpServer.Authentication;
using SmtpServer.ComponentModel;
using SmtpServer.Mail;
using SmtpServer.Protocol;
using SmtpServer.Storage;
using Wake.Testing;

namespace Wake.Tests.Support;

/// <summary>A real SMTP server on loopback. It knows a user wake with the password right, refuses nobody@example.com
/// and puts later@example.com off.</summary>
public sealed class LoopbackSmtp : IAsyncDisposable
{
    readonly CancellationTokenSource stop = new();
    readonly ConcurrentQueue<(MimeMessage Message, string[] Recipients)> messages = new();
    readonly SmtpServer.SmtpServer server;

    LoopbackSmtp()
    {
        var services = new ServiceProvider();
        services.Add(new Store(messages));
        services.Add(new Users());
        services.Add(new Mailboxes());
        server = new(
            new SmtpServerOptionsBuilder()
                .ServerName("localhost")
                .Endpoint(x => x.Endpoint(new IPEndPoint(IPAddress.Loopback, Port)).AllowUnsecureAuthentication())
                .Build(),
            services
        );
    }

    public int Port { get; } = RabbitNode.FreePort();

    public IReadOnlyList<(MimeMessage Message, string[] Recipients)> Messages => [.. messages];

    public static async Task<LoopbackSmtp> Start()
    {
        var smtp = new LoopbackSmtp();
        _ = smtp.server.StartAsync(smtp.stop.Token);
        await Eventually.Holds(async () =>
        {
            using var client = new TcpClient();
            try
            {
                await client.ConnectAsync(IPAddress.Loopback, smtp.Port);
                return true;
            }
            catch (SocketException)
            {
                return false;
            }
        });
        return smtp;
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        server.Shutdown();
        await server.ShutdownTask;
        stop.Dispose();
    }

    sealed class Store(ConcurrentQueue<(MimeMessage, string[])> messages) : MessageStore
    {
        public override async Task<SmtpResponse> SaveAsync(
            ISessionContext context,
            IMessageTransaction transaction,
            ReadOnlySequence<byte> buffer,
            CancellationToken cancellationToken
        )
        {
            using var stream = new MemoryStream(buffer.ToArray());
            messages.Enqueue(
                (
                    await MimeMessage.LoadAsync(stream, cancellationToken),
                    [.. transaction.To.Select(x => $"{x.User}@{x.Host}")]
                )
            );
            return SmtpResponse.Ok;
        }
    }

    sealed class Users : UserAuthenticator
    {
        public override Task<bool> AuthenticateAsync(
            ISessionContext context,
            string user,
            string password,
            CancellationToken cancellationToken
        ) => Task.FromResult((user, password) == ("wake", "right"));
    }

    sealed class Mailboxes : MailboxFilter
    {
        public override Task<bool> CanAcceptFromAsync(
            ISessionContext context,
            IMailbox from,
            int size,
            CancellationToken cancellationToken
        ) => Task.FromResult(true);

        public override Task<bool> CanDeliverToAsync(
            ISessionContext context,
            IMailbox to,
            IMailbox from,
            CancellationToken cancellationToken
        ) =>
            to.User == "later"
                ? throw new SmtpResponseException(new((SmtpReplyCode)450, "later"))
                : Task.FromResult(to.User != "nobody");
    }
}
