using System.Net.Sockets;

namespace Wake.Notifier;

/// <summary>
/// A chat, as every kind of it is used: Wake posts and edits there, and is told what people press and write. All of it
/// is dialled out.
/// </summary>
abstract class ChatConnection
{
    /// <summary>How many UTF-16 units a message may have.</summary>
    public abstract int MaxLength { get; }

    /// <summary>Whether who chooses something is told so, beside that the message shows it.</summary>
    public virtual bool TellsChoices => true;

    /// <summary>Posts a message and returns the chat's name for it.</summary>
    /// <exception cref="ChatException">It was not posted, or nobody knows.</exception>
    public abstract Task<string> Post(ChatPost post, CancellationToken cancel);

    /// <summary>
    /// Looks for a message that was sent before, and of which nobody knows whether it arrived. Null where the chat
    /// cannot be asked.
    /// </summary>
    /// <exception cref="ChatException">It could not be asked now.</exception>
    public virtual Task<FoundChatPost?> FindPosted(ChatPost post, CancellationToken cancel) =>
        Task.FromResult<FoundChatPost?>(null);

    /// <summary>Has a message show something else.</summary>
    /// <exception cref="ChatException">It may show what it did before.</exception>
    public abstract Task Edit(string messageId, ChatPost post, CancellationToken cancel);

    /// <summary>Tells whoever has pressed a button, and nobody else, what came of it.</summary>
    /// <exception cref="ChatException">They may not have been told.</exception>
    public abstract Task Acknowledge(ChatUpdate.Press press, string sentence, CancellationToken cancel);

    /// <summary>
    /// Hands over what happens in the chat, one by one, until it is cancelled or the connection breaks. What was handed
    /// over and not come back from may be handed over again, also after a restart.
    /// </summary>
    /// <param name="cursor">Where to go on, and how long ago that was noted; null at the beginning.</param>
    /// <param name="handle">Takes one.</param>
    /// <param name="cancel">Ends it.</param>
    /// <exception cref="ChatException">The connection is broken.</exception>
    public abstract Task Listen(
        (string Cursor, TimeSpan Age)? cursor,
        Func<ChatUpdate, Task> handle,
        CancellationToken cancel
    );

    /// <summary>What keeps it from working, found out without posting: null, or a sentence.</summary>
    public abstract Task<string?> FindProblem(CancellationToken cancel);

    /// <summary>The one for a target, whose settings are valid.</summary>
    public static ChatConnection Create(NotificationTarget target) =>
        target.Kind switch
        {
            NotificationKind.Telegram => new TelegramChat(target),
            NotificationKind.Slack => new SlackChat(target),
            NotificationKind.Discord => new DiscordChat(target),
            _ => throw new InvalidOperationException($"{target.Kind} is no chat."),
        };
}

/// <summary>What a message shows.</summary>
/// <param name="Text">Its text.</param>
/// <param name="Buttons">The buttons below it, in rows; none for none.</param>
/// <param name="ReplyTo">The message that it answers, or whose thread it belongs to; null for none.</param>
sealed record ChatPost(ChatText Text, IReadOnlyList<IReadOnlyList<ChatButton>> Buttons, string? ReplyTo = null)
{
    /// <summary>What it tells: sent again it is the same. Null where it is not looked for.</summary>
    public string? Id { get; init; }

    /// <summary>The question whose buttons it has, or had until it was settled; null for none.</summary>
    public Guid? Question { get; init; }

    /// <summary>Whether a message that looks the same is another one: for chats that do not keep the
    /// <see cref="Id"/>.</summary>
    public Func<string, Task<bool>>? IsAnother { get; init; }
}

/// <summary>What came of looking for a message.</summary>
/// <param name="MessageId">The chat's name for it; null when it is not there.</param>
sealed record FoundChatPost(string? MessageId);

/// <summary>Something to press below a message.</summary>
/// <param name="Label">What stands on it. Sessions have written it.</param>
/// <param name="Data">What is told when it is pressed; at most 64 bytes.</param>
sealed record ChatButton(string Label, string Data)
{
    /// <summary>The menu that it belongs to, where several may be chosen at once; null for what is pressed
    /// alone.</summary>
    public ChatMenu? Menu { get; init; }
}

/// <summary>A choice of several, for chats that have menus. The others have a button for each.</summary>
/// <param name="Data">What is told when it is made, before the places of all that is chosen: <c>0,2</c>.</param>
/// <param name="Place">The place of the one that the button is for.</param>
/// <param name="IsChosen">Whether that one is chosen.</param>
sealed record ChatMenu(string Data, int Place, bool IsChosen);

/// <summary>Something that a person did in a chat.</summary>
/// <param name="Id">Tells it from all others of the chat; the same when it is told again.</param>
/// <param name="Cursor">Where reading goes on when this was taken; null where the chat keeps that itself.</param>
/// <param name="User">Who.</param>
abstract record ChatUpdate(string Id, string? Cursor, ChatUser User)
{
    /// <summary>Tells the chat that it is in the store; null where reading on does.</summary>
    public Func<Task>? Confirm { get; init; }

    /// <summary>Somebody has pressed a button.</summary>
    /// <param name="Id">Tells it from all others.</param>
    /// <param name="Cursor">Where reading goes on.</param>
    /// <param name="User">Who.</param>
    /// <param name="MessageId">The message that the button belongs to.</param>
    /// <param name="Data">What the button tells.</param>
    /// <param name="Token">By which the chat knows the press when it is acknowledged.</param>
    public sealed record Press(string Id, string? Cursor, ChatUser User, string MessageId, string Data, string Token)
        : ChatUpdate(Id, Cursor, User);

    /// <summary>Somebody has written something.</summary>
    /// <param name="Id">Tells it from all others.</param>
    /// <param name="Cursor">Where reading goes on.</param>
    /// <param name="User">Who.</param>
    /// <param name="MessageId">Their message.</param>
    /// <param name="ReplyTo">The message that it answers, or whose thread it stands in; null for none.</param>
    /// <param name="Text">What; empty when it is no text.</param>
    /// <param name="IsPrivate">Nobody else reads it: it is meant for Wake.</param>
    public sealed record Words(
        string Id,
        string? Cursor,
        ChatUser User,
        string MessageId,
        string? ReplyTo,
        string Text,
        bool IsPrivate
    ) : ChatUpdate(Id, Cursor, User)
    {
        /// <summary>
        /// When it was written, where it stands in a thread and answers no message of it more than another; null where
        /// it names the message.
        /// </summary>
        public DateTimeOffset? InThreadAt { get; init; }
    }

    /// <summary>Something that is none of Wake's business.</summary>
    /// <param name="Id">Tells it from all others.</param>
    /// <param name="Cursor">Where reading goes on.</param>
    public sealed record Other(string Id, string? Cursor) : ChatUpdate(Id, Cursor, new("", ""));
}

/// <summary>A person in a chat.</summary>
/// <param name="Id">The chat's id of them, which they cannot change.</param>
/// <param name="Name">What they are called there; they choose it.</param>
sealed record ChatUser(string Id, string Name);

/// <summary>A chat did not do what it was asked.</summary>
/// <param name="message">Why, for people; no secret in it.</param>
/// <param name="inner">What has happened.</param>
sealed class ChatException(string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>What has gone wrong with a connection.</summary>
    /// <param name="failed">What was thrown.</param>
    /// <param name="say">What is said of it, from the words of its cause: they may have a secret in them.</param>
    public static ChatException OfConnection(Exception failed, Func<string, string> say)
    {
        var cause = failed.GetBaseException();
        return new(say(cause.Message), failed)
        {
            NotDone =
                cause
                    is SocketException
                    {
                        SocketErrorCode: SocketError.ConnectionRefused
                            or SocketError.HostNotFound
                            or SocketError.TryAgain
                            or SocketError.NetworkUnreachable
                            or SocketError.HostUnreachable
                    },
        };
    }

    /// <summary>It was certainly not done. If not, nobody knows.</summary>
    public bool NotDone { get; init; }

    /// <summary>The same will never be done.</summary>
    public bool Permanent { get; init; }

    /// <summary>How long the chat asks to be left alone.</summary>
    public TimeSpan? RetryAfter { get; init; }
}
