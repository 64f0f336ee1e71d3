using System.Text;
using System.Text.Json;

namespace Wake.Store;

/// <summary>What a session is shown of an event's data. Pure to read, and hostile text is its daily bread.</summary>
/// <param name="Link">Where a person would look, an https address; null when the data says none.</param>
/// <param name="Excerpt">Lines of what was printed or written; null when the data has none.</param>
readonly record struct EventDetails(string? Link, string? Excerpt)
{
    /// <summary>Bytes of data that are looked into: producers put a handful of fields there, and a claim reads many.</summary>
    public const int MaxData = 32 * 1024;

    // Longer ones are left out: an address that was cut leads somewhere else.
    const int MaxLink = 300;

    // Of the addresses the clearest first. GitHub and its kin call the page for people html_url, and url what is for programs.
    static readonly string[] Fields = ["link", "html_url", "url", "excerpt"];
    static readonly int ExcerptField = Fields.Length - 1;

    /// <summary>The first https address among the fields of a JSON object that may hold one, and its excerpt.</summary>
    public static EventDetails In(string? data)
    {
        var details = new EventDetails();
        if (data is null)
            return details;

        var json = new Utf8JsonReader(Encoding.UTF8.GetBytes(data), new() { MaxDepth = int.MaxValue });
        if (!json.Read() || json.TokenType is not JsonTokenType.StartObject)
            return details;

        var best = ExcerptField;
        while (json.Read() && json.TokenType is JsonTokenType.PropertyName)
        {
            var field = Field(ref json);
            json.Read();

            if (field < Fields.Length && json.TokenType is JsonTokenType.String && Text(ref json) is { } text)
            {
                if (field == ExcerptField)
                    details = details with { Excerpt = string.IsNullOrWhiteSpace(text) ? null : text };
                else if (field < best && IsAddress(text))
                    (details, best) = (details with { Link = text }, field);
            }
            json.Skip();
        }

        return details;
    }

    /// <summary>The same of an event that is not stored yet.</summary>
    public static EventDetails In(JsonElement? data) =>
        data?.GetRawText() is { } text && Encoding.UTF8.GetByteCount(text) <= MaxData ? In(text) : default;

    static int Field(ref Utf8JsonReader json)
    {
        var field = 0;
        while (field < Fields.Length && (json.ValueIsEscaped || !json.ValueTextEquals(Fields[field])))
            field++;
        return field;
    }

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
        text.Length <= MaxLink && Uri.TryCreate(text, UriKind.Absolute, out var address)
        && address is { Scheme: "https", UserInfo: "" } && !text.Any(x => char.IsWhiteSpace(x) || char.IsControl(x));
}
