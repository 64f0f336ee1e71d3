using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Wake.Contracts;

/// <summary>
/// Reads an event as people and programs write it: what is only shown never costs the event, and what was not taken as
/// it came is told in <see cref="ExternalEventObserved.Warnings"/>. An event that is written as the contract says pays
/// one more look at its bytes.
/// </summary>
static partial class TolerantEventReader
{
    // More would say nothing new about a producer that is wrong.
    const int MaxWarnings = 20;

    const string Time = "time",
        Expires = "expires",
        Related = "related",
        Sessions = "sessions",
        Reason = "reason";

    static readonly string[] Names = ["id", "source", "type", "subject", "dedupKey", Reason, "actor", "replayOf"];

    // Nothing is decided by them.
    static readonly string[] Shown = [Reason, "actor", "replayOf"];

    static readonly string[] Fields = [.. Names, Related, "delivery", "urgent", Sessions, Time, Expires, "data"];

    static readonly byte[][] Utf8Fields = [.. Fields.Select(Encoding.UTF8.GetBytes)];

    /// <summary>The event; null for the JSON null.</summary>
    /// <exception cref="JsonException">It is none.</exception>
    public static ExternalEventObserved? Read(ReadOnlySpan<byte> json)
    {
        List<string> warnings = [];
        var observed = JsonSerializer.Deserialize(
            MatchesContract(json) ? json : Normalize(json, warnings),
            EventJsonContext.Default.ExternalEventObserved
        );
        if (observed is null)
            return null;

        var (reason, actor, replayOf) = (
            Shortened(Reason, observed.Reason, EventLimits.MaxReasonLength, warnings),
            Shortened("actor", observed.Actor, EventLimits.MaxKeyLength, warnings),
            Shortened("replayOf", observed.ReplayOf, EventLimits.MaxNameLength, warnings)
        );
        return warnings is [] && reason is not null
            ? observed
            : observed with
            {
                Reason = reason ?? $"{observed.Type}: {observed.Subject}",
                Actor = actor,
                ReplayOf = replayOf,
                Warnings = warnings is [] ? null : [.. warnings.Take(MaxWarnings)],
            };
    }

    // Whether every member is known and of the kind that the contract names. What is no JSON the serializer complains
    // of.
    static bool MatchesContract(ReadOnlySpan<byte> json)
    {
        try
        {
            var reader = new Utf8JsonReader(json);
            if (!reader.Read() || reader.TokenType is not JsonTokenType.StartObject)
                return true;

            while (reader.Read() && reader.TokenType is JsonTokenType.PropertyName)
            {
                if (Known(ref reader) is not { } field || !reader.Read() || !MatchesContract(ref reader, field))
                    return false;
                reader.Skip();
            }
        }
        catch (JsonException)
        {
            // Said better below.
        }
        catch (InvalidOperationException)
        {
            // A name that is no Unicode.
            return false;
        }

        return true;
    }

    static string? Known(ref Utf8JsonReader reader)
    {
        for (var i = 0; i < Utf8Fields.Length; i++)
        {
            if (reader.ValueTextEquals(Utf8Fields[i]))
                return Fields[i];
        }

        return null;
    }

    static bool MatchesContract(ref Utf8JsonReader reader, string field)
    {
        if (reader.TokenType is JsonTokenType.Null)
            return field is not Reason;

        switch (field)
        {
            case Time or Expires:
                // Without an offset the serializer would take it for a time of this machine's zone.
                return reader.TokenType is JsonTokenType.String
                    && reader.ValueSpan
                        is [.., (byte)'Z']
                            or { Length: >= 20 }
                            and [.., (byte)'+' or (byte)'-', _, _, _, _, _]
                    && reader.TryGetDateTimeOffset(out _);
            case Related or Sessions:
                var entries = reader;
                while (entries.TokenType is JsonTokenType.StartArray or JsonTokenType.String && entries.Read())
                {
                    // What stands in it is of another kind, or it is over.
                }

                return entries.TokenType is not JsonTokenType.Number;
            default:
                return Array.IndexOf(Names, field) < 0
                    || (
                        reader.TokenType is JsonTokenType.String
                        && !(reader.ValueIsEscaped && Shown.Contains(field) && HalfOfAPair(reader))
                    );
        }
    }

    static bool HalfOfAPair(Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString() is null;
        }
        catch (InvalidOperationException)
        {
            return true;
        }
    }

    // The same event as the contract names it. Members that come twice stay twice: the later one counts.
    static ReadOnlySpan<byte> Normalize(ReadOnlySpan<byte> json, List<string> warnings)
    {
        var written = new ArrayBufferWriter<byte>(json.Length);
        using (var writer = new Utf8JsonWriter(written))
        {
            writer.WriteStartObject();
            foreach (var member in JsonElement.Parse(json).EnumerateObject())
            {
                if (Array.Find(Fields, x => Is(member, x)) is not { } field)
                    warnings.Add(Unknown(member));
                else if (Value(field, member.Value, warnings) is { } value)
                {
                    writer.WritePropertyName(field);
                    writer.WriteRawValue(value, skipInputValidation: true);
                }
            }

            writer.WriteEndObject();
        }

        return written.WrittenSpan;
    }

    // The value as the contract names it; null to leave it out.
    static byte[]? Value(string field, JsonElement value, List<string> warnings)
    {
        var raw = JsonMarshal.GetRawUtf8Value(value);
        switch (field)
        {
            case Time or Expires:
                if (value.ValueKind is JsonValueKind.Null)
                    return null;
                if (ParseTime(value) is { } moment)
                    return JsonSerializer.SerializeToUtf8Bytes(moment);
                if (
                    field is Expires
                    && !(value.ValueKind is JsonValueKind.String && string.IsNullOrWhiteSpace(Text(value)))
                )
                    throw new JsonException("expires is no moment: write it like 2026-11-21T09:00:00Z.");
                warnings.Add($"{field} cannot be read as a moment and was left out.");
                return null;

            case Related
            or Sessions when value.ValueKind is JsonValueKind.Array:
                return
                [
                    (byte)'[',
                    .. value.EnumerateArray().SelectMany((x, i) => (byte[])[.. i == 0 ? ""u8 : ","u8, .. Name(x)]),
                    (byte)']',
                ];

            case var _ when Names.Contains(field) && value.ValueKind is JsonValueKind.Number:
                return [.. Name(value)];

            // It stays there, or the event would lack it: what stands for it is found below.
            case Reason when value.ValueKind is not JsonValueKind.String:
                warnings.Add("reason is no text and was left out.");
                return [.. "\"\""u8];

            case var _
                when Shown.Contains(field) && value.ValueKind is not (JsonValueKind.String or JsonValueKind.Null):
                warnings.Add($"{field} is no text and was left out.");
                return null;

            // Whoever cuts a text in JavaScript halves an emoji.
            case var _ when Shown.Contains(field) && value.ValueKind is JsonValueKind.String && Text(value) is null:
                warnings.Add($"{field} has half of a surrogate pair, which was replaced.");
                return Encoding.UTF8.GetBytes(
                    Escapes().Replace(Encoding.UTF8.GetString(raw), x => x.Length == 6 ? "\\ufffd" : x.Value)
                );

            default:
                return raw.ToArray();
        }
    }

    static byte[] Name(JsonElement value) =>
        value.ValueKind is JsonValueKind.Number
            ? [(byte)'"', .. JsonMarshal.GetRawUtf8Value(value), (byte)'"']
            : JsonMarshal.GetRawUtf8Value(value).ToArray();

    static DateTimeOffset? ParseTime(JsonElement value) =>
        value.ValueKind switch
        {
            JsonValueKind.Number => value.TryGetDecimal(out var number) ? EventTime.Parse(number) : null,
            JsonValueKind.String => EventTime.Parse(Text(value)),
            _ => null,
        };

    static string? Text(JsonElement value)
    {
        try
        {
            return value.GetString();
        }
        catch (InvalidOperationException)
        {
            // Half of a surrogate pair.
            return null;
        }
    }

    static bool Is(JsonProperty member, string field)
    {
        try
        {
            return member.NameEquals(field);
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    static string Unknown(JsonProperty member)
    {
        string name;
        try
        {
            name =
                member.Name.Length <= 64 && EventValidation.TextProblem(member.Name, 64) is null
                    ? member.Name
                    : "A member";
        }
        catch (InvalidOperationException)
        {
            name = "A member";
        }

        return $"{name} is no field of an event and was "
            + $"ignored{(NearestName.Of(name, Fields) is { } meant ? $"; {meant} may be meant" : "")}.";
    }

    // Null for what says nothing.
    static string? Shortened(string field, string? text, int limit, List<string> warnings)
    {
        if (text is null)
            return null;

        var clean = StorableText.Sanitize(text);
        if (clean != text)
            warnings.Add($"{field} has characters that cannot be stored, which were replaced.");
        if (string.IsNullOrWhiteSpace(clean))
        {
            if (warnings.Count == 0 || !warnings[^1].StartsWith(field, StringComparison.Ordinal))
                warnings.Add($"{field} is blank and was left out.");
            return null;
        }

        if (clean.Length <= limit)
            return clean;

        warnings.Add($"{field} has {clean.Length} characters and was cut to {limit}.");
        return StorableText.Head(clean, limit);
    }

    // One escape after the other, so that a backslash that is one itself begins none: only half of a pair is six
    // characters long.
    [GeneratedRegex(@"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F][0-9a-fA-F]{2}|.)")]
    private static partial Regex Escapes();
}
