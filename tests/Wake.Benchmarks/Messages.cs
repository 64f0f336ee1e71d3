using System.Text.Json;
using Wake.Contracts;

namespace Wake.Benchmarks;

/// <summary>The messages of a storm: every session has facts, every fact is observed several times, all of it shuffled.</summary>
sealed record Messages(IReadOnlyList<ExternalEventObserved> Events, IReadOnlyList<string> Subjects, int Facts)
{
    public IReadOnlyList<byte[]> Json { get; } = Events.Select(EventJson.Write).ToList();

    /// <summary>About 550 bytes each, the same for the same numbers.</summary>
    public static Messages Generate(int sessions, int facts, int observations, string prefix = "")
    {
        var random = new Random(20_261_120);
        var padding = JsonSerializer.SerializeToElement(new { text = new string('x', 280) });

        var events =
            from session in Enumerable.Range(0, sessions)
            from fact in Enumerable.Range(0, facts)
            from observation in Enumerable.Range(0, observations)
            select new ExternalEventObserved
            {
                Id = $"{session}-{fact}-{observation}",
                Source = $"bench:producer-{observation}",
                Type = "ci.check.completed",
                Subject = Subject(session),
                DedupKey = $"ci.check.completed|{Subject(session)}|{fact}",
                Reason = $"check {fact} of session {session} completed",
                Data = padding,
            };

        var shuffled = events.ToArray();
        random.Shuffle(shuffled);
        return new(shuffled, Enumerable.Range(0, sessions).Select(Subject).ToList(), sessions * facts);

        string Subject(int session) => $"bench:org/repository{prefix}#{session}";
    }
}
