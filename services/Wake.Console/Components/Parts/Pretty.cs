using System.Text.Encodings.Web;
using System.Text.Json;

namespace Wake.WebConsole.Components.Parts;

/// <summary>JSON as people read it. It is shown as text, so nothing of it needs to be escaped for a page.</summary>
public static class Pretty
{
    /// <summary>Indented, with letters as they are.</summary>
    public static JsonSerializerOptions Options { get; } =
        new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}
