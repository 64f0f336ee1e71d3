using System.Text;
using System.Text.Json;

namespace Wake.Store;

/// <summary>The address in an event's data where a person would look. Pure, and hostile text is its daily bread.</summary>
static class EventLink
{
    /// <summary>Bytes of data that are looked into: producers put a handful of fields there, and a claim reads a whole burst.</summary>
    public const int MaxData = 16 * 1024;

    // Longer ones are left out: an address that was cut leads somewhere else.
    const int MaxLength = 300;

    // The clearest first. GitHub and its kin call the page for people html_url, and url what is for programs.
    static readonly string[] Fields = ["link", "html_url", "url"];

    /// <summary>The first https address among the fields of a JSON object that may hold one, or null.</summary>
    public static string? In(string? data)
    {
        if (data is null)
            return null;

        var json = new Utf8JsonReader(Encoding.UTF8.GetBytes(data), new() { MaxDepth = int.MaxValue });
        if (!json.Read() || json.TokenType is not JsonTokenType.StartObject)
            return null;

        string? found = null;
        var best = Fields.Length;
        while (json.Read() && json.TokenType is JsonTokenType.PropertyName)
        {
            var field = Field(ref json);
            json.Read();

            if (field < best && json.TokenType is JsonTokenType.String && Address(ref json) is { } address)
                (found, best) = (address, field);
            json.Skip();
        }

        return found;
    }

    /// <summary>The same of an event that is not stored yet.</summary>
    public static string? In(JsonElement? data) =>
        data?.GetRawText() is { } text && Encoding.UTF8.GetByteCount(text) <= MaxData ? In(text) : null;

    static int Field(ref Utf8JsonReader json)
    {
        var field = 0;
        while (field < Fields.Length && (json.ValueIsEscaped || !json.ValueTextEquals(Fields[field])))
            field++;
        return field;
    }

    static string? Address(ref Utf8JsonReader json)
    {
        // Perhaps half of a surrogate pair, which json allows and the reader refuses. No address needs one.
        if (json.ValueSpan.IndexOf("\\ud"u8) >= 0 || json.ValueSpan.IndexOf("\\uD"u8) >= 0)
            return null;

        // Names before an @ are there to look like a host.
        return json.GetString() is { Length: <= MaxLength } text && Uri.TryCreate(text, UriKind.Absolute, out var address)
            && address is { Scheme: "https", UserInfo: "" } && !text.Any(x => char.IsWhiteSpace(x) || char.IsControl(x)) ? text : null;
    }
}
