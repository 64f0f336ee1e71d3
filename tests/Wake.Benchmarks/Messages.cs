using System.Text.Json;
using Wake.Contracts;

namespace Wake.Benchmarks;

/// <summary>What is published: several observations of every fact, several facts for every session, all of it
/// shuffled.</summary>
sealed class Messages
{
    Messages(IReadOnlyList<ExternalEventObserved> events)
    {
        Events = events;
        Json = [.. events.Select(EventJson.Serialize)];
        Subjects = [.. events.Select(x => x.Subject).Distinct()];
        Facts = events.Select(x => x.EffectiveDedupKey).Distinct().Count();
    }

    public IReadOnlyList<ExternalEventObserved> Events { get; }

    /// <summary>The same as they are sent.</summary>
    public IReadOnlyList<byte[]> Json { get; }

    /// <summary>One for each session, which watches it.</summary>
    public IReadOnlyList<string> Subjects { get; }

    /// <summary>How many distinct facts there are, each a reason that one session must hear once.</summary>
    public int Facts { get; }

    /// <summary>About 550 bytes each, and the same for the same numbers.</summary>
    public static Messages Generate(int sessions, int facts, int observations)
    {
        var random = new Random(20_261_120);
        var data = JsonSerializer.SerializeToElement(new { text = new string('x', 280) });

        var events =
            from session in Enumerable.Range(0, sessions)
            let subject = $"bench:org/repository#{session}"
            from fact in Enumerable.Range(0, facts)
            from observation in Enumerable.Range(0, observations)
            select new ExternalEventObserved
            {
                Id = $"{session}-{fact}-{observation}",
                Source = $"bench:producer-{observation}",
                Type = "ci.check.completed",
                Subject = subject,
                DedupKey = $"ci.check.completed|{subject}|{fact}",
                Reason = $"check {fact} of session {session} completed",
                Data = data,
            };

        var shuffled = events.ToArray();
        random.Shuffle(shuffled);
        return new(shuffled);
    }

    /// <summary>Reads lines of <c>{eventId,dedupKey,source,type,subject,reason,data}</c>; every subject is a
    /// session.</summary>
    /// <exception cref="FormatException">A line is none; the message has its number.</exception>
    public static Messages Read(FileInfo file)
    {
        var lines = File.ReadLines(file.FullName)
            .Select(
                (text, index) =>
                {
                    try
                    {
                        var line = JsonSerializer.Deserialize<Line>(text, JsonSerializerOptions.Web)!;
                        return new ExternalEventObserved
                        {
                            Id = line.EventId,
                            DedupKey = line.DedupKey,
                            Source = line.Source,
                            Type = line.Type,
                            Subject = line.Subject,
                            Reason = line.Reason,
                            Data = line.Data,
                        };
                    }
                    catch (JsonException wrong)
                    {
                        throw new FormatException($"{file.Name}, line {index + 1}: {wrong.Message}", wrong);
                    }
                }
            );

        return lines.ToArray() is { Length: > 0 } events
            ? new(events)
            : throw new FormatException($"{file.Name} has no line.");
    }

    /// <summary>The same for other sessions, so that a repetition on the same store is as new to it as the
    /// first.</summary>
    public Messages Again(string name) =>
        new([
            .. Events.Select(x =>
                x with
                {
                    Id = $"{x.Id}-{name}",
                    Subject = $"{x.Subject}-{name}",
                    DedupKey = $"{x.EffectiveDedupKey}-{name}",
                }
            ),
        ]);

    /// <summary>The first observation of every fact.</summary>
    public Messages Firsts() => new([.. Events.DistinctBy(x => x.EffectiveDedupKey)]);

    /// <summary>All other observations.</summary>
    public Messages Repeats() => new([.. Events.Except(Events.DistinctBy(x => x.EffectiveDedupKey))]);

    sealed record Line(
        [property: System.Text.Json.Serialization.JsonRequired] string EventId,
        string? DedupKey,
        [property: System.Text.Json.Serialization.JsonRequired] string Source,
        [property: System.Text.Json.Serialization.JsonRequired] string Type,
        [property: System.Text.Json.Serialization.JsonRequired] string Subject,
        [property: System.Text.Json.Serialization.JsonRequired] string Reason,
        JsonElement? Data
    );
}
