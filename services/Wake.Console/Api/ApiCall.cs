using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Wake.WebConsole;

/// <summary>A call of the HTTP API, as the console makes it and as a person can copy it.</summary>
/// <param name="Method">GET, POST or DELETE.</param>
/// <param name="Path">The path with its query, escaped.</param>
/// <param name="Body">The body as JSON; null for none.</param>
public sealed record ApiCall(HttpMethod Method, string Path, string? Body = null)
{
    static readonly JsonSerializerOptions BodyJson = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    /// <summary>A call that reads. Parameters without a value are left out.</summary>
    public static ApiCall Get(string path, params ReadOnlySpan<(string Name, string? Value)> parameters)
    {
        var query = new StringBuilder(path);
        foreach (var (name, value) in parameters)
        {
            if (!string.IsNullOrWhiteSpace(value))
                query
                    .Append(query.Length == path.Length ? '?' : '&')
                    .Append(name)
                    .Append('=')
                    .Append(Uri.EscapeDataString(value.Trim()));
        }

        return new(HttpMethod.Get, query.ToString());
    }

    /// <summary>A POST. What is not said in the body is left out, and the API decides.</summary>
    public static ApiCall Post<T>(string path, T body) =>
        new(HttpMethod.Post, path, JsonSerializer.Serialize(body, BodyJson));

    /// <summary>A POST that says nothing beside its path.</summary>
    public static ApiCall Post(string path) => new(HttpMethod.Post, path, "{}");

    /// <summary>A call that ends something.</summary>
    public static ApiCall Delete(string path) => new(HttpMethod.Delete, path);

    /// <summary>
    /// The same call for a shell. Address and key are variables: where people reach the API is not what the console
    /// calls it, and no key is shown.
    /// </summary>
    public string ToCurl()
    {
        var curl = new StringBuilder("curl");
        if (Method != HttpMethod.Get)
            curl.Append(" -X ").Append(Method);
        curl.Append(" \"$WAKE_URL").Append(Path).Append("\" -H \"Authorization: Bearer $WAKE_API_KEY\"");
        if (Body is not null)
            curl.Append(" --json ").Append(ShellText.Quote(Body));
        return curl.ToString();
    }
}

/// <summary>Text as one word of a POSIX shell, for what people copy.</summary>
public static class ShellText
{
    /// <summary>The text in single quotes, unless it needs none.</summary>
    public static string Quote(string text) =>
        text.Length > 0 && text.All(x => char.IsAsciiLetterOrDigit(x) || "-_./:@=,+".Contains(x))
            ? text
            : $"'{text.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
