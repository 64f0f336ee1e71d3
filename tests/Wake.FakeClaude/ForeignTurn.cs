using System.Text.Json.Nodes;

namespace Wake.FakeClaude;

/// <summary>A turn nobody sent a message for, as when a background command ends: its result belongs to no
/// message.</summary>
static class ForeignTurn
{
    const string Notification =
        "<task-notification>\n<summary>A background command completed</summary>\n</task-notification>";

    public static JsonObject Origin() => new() { ["kind"] = "task-notification", ["producer"] = "session-task" };

    /// <summary>Once the session is idle again.</summary>
    public static void Follow(Session session)
    {
        session.Emit(session.Frames.System("task_notification", new() { ["status"] = "completed" }));
        session.Unasked(() => Play(session));
    }

    /// <summary>Some time after, when a file exists.</summary>
    public static void FollowWhen(Session session, string file) =>
        new Thread(() =>
        {
            while (!File.Exists(file))
                Thread.Sleep(10);
            Follow(session);
        })
        {
            IsBackground = true,
        }.Start();

    public static void Play(Session session)
    {
        session.Transcript.User(
            JsonValue.Create(Notification),
            Guid.NewGuid().ToString(),
            new() { ["origin"] = Origin() }
        );
        session.Emit(session.Frames.Init([]));

        var voice = new TurnWriter(session, message: null, [], isRerun: false);
        voice.WriteText("Noted.");
        session.EmitResult(new(new Ending.Completed(voice.LastText!), voice.Requests) { Origin = Origin() });
    }
}
