using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace Wake.Contracts;

/// <summary>One event or an array of them, as the doors take them: all or nothing.</summary>
public static class EventBatch
{
    // More would say nothing new about what is wrong with a file or a request.
    const int MaxProblems = 20;

    /// <summary>How many events it has.</summary>
    public static int Count(JsonElement body) => body.ValueKind is JsonValueKind.Array ? body.GetArrayLength() : 1;

    /// <summary>Reads them.</summary>
    /// <param name="body">One event, or an array.</param>
    /// <param name="source">The source of those that name none; null where every event has to.</param>
    /// <param name="id">With a source: the id of those that name none, in an array followed by <c>#</c> and the
    /// place.</param>
    /// <returns>The events, or where and what is wrong with the first of those that are none.</returns>
    public static (
        IReadOnlyList<ExternalEventObserved> Events,
        IReadOnlyList<(string Where, string Problem)> Problems
    ) Parse(JsonElement body, string? source = null, string? id = null)
    {
        var single = body.ValueKind is not JsonValueKind.Array;
        JsonElement[] elements = single ? [body] : [.. body.EnumerateArray()];

        List<ExternalEventObserved> events = new(elements.Length);
        List<(string, string)> problems = [];
        for (var i = 0; i < elements.Length; i++)
        {
            var raw = JsonMarshal.GetRawUtf8Value(elements[i]);
            if (source is not null && elements[i].ValueKind is JsonValueKind.Object)
                raw = Complete(raw, elements[i].GetPropertyCount() == 0, source, single ? id! : $"{id}#{i}");

            if (EventJson.TryParse(raw, out var observed, out var problem))
                events.Add(observed);
            else if (problems.Count < MaxProblems)
                problems.Add((single ? "event" : $"[{i}]", problem));
        }

        return problems is [] ? (events, []) : ([], problems);
    }

    // In front: of two members of one name the later one counts, which is the event's own.
    static byte[] Complete(ReadOnlySpan<byte> raw, bool empty, string source, string id) =>
        [
            .. "{\"id\":"u8,
            .. JsonSerializer.SerializeToUtf8Bytes(id),
            .. ",\"source\":"u8,
            .. JsonSerializer.SerializeToUtf8Bytes(source),
            .. Encoding.ASCII.GetBytes(empty ? "" : ","),
            .. raw[1..],
        ];
}
