using System.Globalization;
using Wake.Contracts;
using Wake.Store;

namespace Wake.Notifier;

/// <summary>What people can do from a chat: the same as by the API, by the same statements.</summary>
sealed class ChatActions(Questions questions, Sessions sessions, Pauses pauses, Intake intake, WakeTimers timers)
{
    /// <summary>The event by which a session is told what a person has written to it.</summary>
    public const string MessageType = "chat.message";

    /// <summary>What sessions ask.</summary>
    public Questions Questions => questions;

    /// <summary>Answers questions. False: somebody was first.</summary>
    public async Task<bool> Answer(
        Guid question,
        IReadOnlyDictionary<string, string> answers,
        string by,
        CancellationToken cancel
    )
    {
        var first = await questions.Answer(question, answers, cancel, by);
        await timers.NotifySweepers();
        return first;
    }

    /// <summary>Allows a call or does not. False: somebody was first.</summary>
    public async Task<bool> Decide(Guid question, PermissionAnswer decision, string by, CancellationToken cancel)
    {
        var first = await questions.AnswerPermission(question, decision, cancel, by);
        await timers.NotifySweepers();
        return first;
    }

    /// <summary>Tells a session what a person has written, at once. Returns what to say to them.</summary>
    public async Task<string> Tell(
        string target,
        string session,
        string text,
        string by,
        string update,
        CancellationToken cancel
    )
    {
        if (await sessions.Find(session, cancel) is not { Closed: null } open)
            return IsClosed(session);

        var observed = new ExternalEventObserved
        {
            Id = $"{target}:{update}",
            Source = $"chat:{target}",
            Type = MessageType,
            Subject = StorableText.Head($"session:{session}", EventLimits.MaxKeyLength),
            Reason = StorableText.Head(text, EventLimits.MaxReasonLength),
            Actor = StorableText.Head(by, EventLimits.MaxNameLength),
            Urgent = true,
            Sessions = [session],
        };
        await intake.Accept([new(observed, DedupScope: $"chat:{target}")], cancel);
        await timers.NotifySweepers();
        return open.Paused is { } pause ? $"{session} is told later. {pause.Sentence}" : $"{session} is told.";
    }

    /// <summary>The command that a text is; null when it is none.</summary>
    public static ChatCommand? ParseCommand(string text)
    {
        // In groups a command may name the bot: /status@wake_bot.
        var word = text.StartsWith('/') ? text[1..].Split('@')[0] : text;
        return
            Enum.TryParse<ChatCommand>(word, ignoreCase: true, out var command)
            && Enum.IsDefined(command)
            && word.All(char.IsAsciiLetter)
            ? command
            : null;
    }

    /// <summary>Does what a command says, once under one id, and returns what to say about it.</summary>
    public async Task<string> Execute(ChatCommand command, string session, string by, Guid id, CancellationToken cancel)
    {
        switch (command)
        {
            case ChatCommand.Status:
                return await sessions.Find(session, cancel) is { } found ? Describe(found) : IsClosed(session);

            case ChatCommand.Pause:
            case ChatCommand.Stop:
                var stops = command is ChatCommand.Stop;
                var wanted = new NewPause(PauseScope.Session, session, null, null, stops, $"by {by}");
                if (await pauses.Add(wanted, cancel, id) is null)
                    return IsClosed(session);
                await timers.NotifySweepers();
                return $"{session} is paused{(stops ? ", and a turn that runs is stopped" : "")}. "
                    + "Reply resume to end it.";

            case ChatCommand.Resume:
                var ended = 0;
                foreach (var pause in await pauses.List(cancel))
                {
                    if (
                        pause.Scope is PauseScope.Session
                        && pause.Name == session
                        && await pauses.End(pause.Id, cancel)
                    )
                        ended++;
                }

                await timers.NotifySweepers();
                return ended > 0 ? $"{session} goes on." : $"No pause of {session} alone is in force.";

            case ChatCommand.Close:
                if (!await sessions.Close(session, cancel, by))
                    return IsClosed(session);
                await timers.NotifySweepers();
                return $"{session} is closed.";

            default:
                throw new InvalidOperationException($"Unknown {command}.");
        }
    }

    static string IsClosed(string session) => $"{session} is closed.";

    static string Describe(Session session)
    {
        List<string> lines =
        [
            $"{session.Key}: {session.State}, {session.Inbox} waiting events, "
                + $"{session.CostUsd.ToString("0.00", CultureInfo.InvariantCulture)} USD so far.",
        ];
        if (session.LastTurn is { } turn)
        {
            lines.Add(
                turn.EndedAt is { } ended ? $"Wake {turn.Number} ended {turn.Outcome} at {ended.UtcDateTime:u}."
                : turn.StartedAt is { } started ? $"Wake {turn.Number} began at {started.UtcDateTime:u}."
                : $"Wake {turn.Number} waits for a runner since {turn.DispatchedAt.UtcDateTime:u}."
            );
            if (turn.Note is { } note)
                lines.Add(note);
        }

        if (session.Paused is { } pause)
            lines.Add(pause.Sentence);
        return string.Join('\n', lines);
    }
}

/// <summary>What Wake itself answers in the thread of a session.</summary>
enum ChatCommand
{
    Status,
    Pause,
    Resume,
    Stop,
    Close,
}
