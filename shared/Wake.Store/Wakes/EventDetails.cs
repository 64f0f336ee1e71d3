using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Wake.Store;

/// <summary>The parts of an event's data shown to the session. The input is untrusted.</summary>
/// <param name="Link">Where a person would look, an https address; null when the data says none.</param>
/// <param name="Excerpt">Lines of what was printed or written; null when the data has none.</param>
/// <param name="Data">The rest as JSON on one line; null when there is none.</param>
readonly record struct EventDetails(string? Link, string? Excerpt, string? Data)
{
    /// <summary>
    /// Characters of data that are looked into, from its beginning: producers put a handful of fields there, and a
    /// claim reads many.
    /// </summary>
    public const int MaxData = 32 * 1024;

    /// <summary>Characters of <see cref="Data"/>: more than any template shows.</summary>
    public const int MaxDataShown = 16 * 1024;

    // Longer ones are left out: an address that was cut leads somewhere else.
    const int MaxLink = 300;

    // Of the addresses the clearest first. GitHub and its kin call the page for people html_url, and url what is for
    // programs.
    static readonly string[] Fields = ["link", "html_url", "url", "excerpt"];
    static readonly int ExcerptField = Fields.Length - 1;

    // It is read by a model, and never by a browser.
    static readonly JsonWriterOptions Legible = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        SkipValidation = true,
        MaxDepth = MaxData,
    };

    /// <summary>The first https address among the fields of a JSON object that may hold one, its excerpt, and
    /// everything else.</summary>
    /// <param name="data">The data, or its beginning; null for none.</param>
    public static EventDetails Parse(string? data)
    {
        if (data is null)
            return default;

        // Of what is cut everything is read that came before the cut.
        var json = new Utf8JsonReader(
            Encoding.UTF8.GetBytes(data),
            isFinalBlock: data.Length < MaxData,
            new JsonReaderState(new() { MaxDepth = int.MaxValue })
        );
        if (!json.Read())
            return default;

        return json.TokenType is JsonTokenType.StartObject ? InObject(ref json) : new(null, null, Legibly(ref json));
    }

    /// <summary>The same of an event that is not stored yet.</summary>
    public static EventDetails Parse(JsonElement? data) =>
        Parse(data?.GetRawText() is not { } text ? null : Beginning(text));

    // As PostgreSQL counts characters.
    static string Beginning(string text)
    {
        var (units, characters) = (0, 0);
        while (units < text.Length && characters < MaxData)
        {
            units += char.IsSurrogatePair(text, units) ? 2 : 1;
            characters++;
        }

        return text[..units];
    }

    static EventDetails InObject(ref Utf8JsonReader json)
    {
        var (details, best) = (new EventDetails(), ExcerptField);
        var rest = new ArrayBufferWriter<byte>();
        using var writer = new Utf8JsonWriter(rest, Legible);
        writer.WriteStartObject();

        while (json.Read() && json.TokenType is JsonTokenType.PropertyName)
        {
            var (field, name) = (Field(ref json), Name(ref json));
            if (!json.Read())
                break;

            var text = field < Fields.Length && json.TokenType is JsonTokenType.String ? Text(ref json) : null;
            if (text is not null && field == ExcerptField)
            {
                details = details with { Excerpt = string.IsNullOrWhiteSpace(text) ? null : text };
            }
            else if (text is not null && field < best && IsAddress(text))
            {
                (details, best) = (details with { Link = text }, field);
            }
            else if (Shown(writer) < MaxDataShown)
            {
                writer.WritePropertyName(name);
                Copy(ref json, writer);
                continue;
            }

            if (!json.TrySkip())
                break;
        }

        writer.WriteEndObject();
        writer.Flush();
        var isWhole = json is { TokenType: JsonTokenType.EndObject, CurrentDepth: 0 };
        return isWhole && rest.WrittenCount == 2
            ? details
            : details with
            {
                Data = $"{Encoding.UTF8.GetString(rest.WrittenSpan)}{(isWhole ? "" : " […]")}",
            };
    }

    static string? Legibly(ref Utf8JsonReader json)
    {
        if (json.TokenType is JsonTokenType.Null)
            return null;

        var written = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(written, Legible))
            Copy(ref json, writer);
        return Encoding.UTF8.GetString(written.WrittenSpan);
    }

    // The value the reader stands at, without the space between its parts; of a very long one the beginning.
    static void Copy(ref Utf8JsonReader json, Utf8JsonWriter writer)
    {
        var depth = json.CurrentDepth;
        do
        {
            if (Shown(writer) > MaxDataShown)
                continue;

            switch (json.TokenType)
            {
                case JsonTokenType.StartObject:
                    writer.WriteStartObject();
                    break;
                case JsonTokenType.EndObject:
                    writer.WriteEndObject();
                    break;
                case JsonTokenType.StartArray:
                    writer.WriteStartArray();
                    break;
                case JsonTokenType.EndArray:
                    writer.WriteEndArray();
                    break;
                case JsonTokenType.PropertyName:
                    writer.WritePropertyName(Name(ref json));
                    break;
                case JsonTokenType.String:
                    writer.WriteStringValue(Name(ref json));
                    break;
                default:
                    writer.WriteRawValue(json.ValueSpan, skipInputValidation: true);
                    break;
            }
        } while (
            (json.CurrentDepth > depth || json.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray)
            && json.Read()
        );
    }

    static long Shown(Utf8JsonWriter writer) => writer.BytesCommitted + writer.BytesPending;

    static int Field(ref Utf8JsonReader json)
    {
        var field = 0;
        while (field < Fields.Length && (json.ValueIsEscaped || !json.ValueTextEquals(Fields[field])))
            field++;
        return field;
    }

    // What is no text is shown as it was written.
    static string Name(ref Utf8JsonReader json) => Text(ref json) ?? Encoding.UTF8.GetString(json.ValueSpan);

    static string? Text(ref Utf8JsonReader json)
    {
        try
        {
            return json.GetString();
        }
        // Half of a surrogate pair, which json allows and the reader refuses.
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    // Names before an @ are there to look like a host.
    static bool IsAddress(string text) =>
        text.Length <= MaxLink
        && Uri.TryCreate(text, UriKind.Absolute, out var address)
        && address is { Scheme: "https", UserInfo: "" }
        && !text.Any(x => char.IsWhiteSpace(x) || char.IsControl(x));
}
