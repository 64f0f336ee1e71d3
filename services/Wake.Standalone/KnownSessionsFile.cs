using System.Text.Json;
using Wake.ServiceDefaults;

namespace Wake.Standalone;

/// <summary>
/// By which names the open sessions are known, each with the session's key: a file that a Wake with a database of its
/// own leaves when it is stopped, and takes away when it starts. After a crash there is none.
/// </summary>
public sealed class KnownSessionsFile(string file)
{
    /// <summary>The keys by name; null when they are not known.</summary>
    public IReadOnlyDictionary<string, string>? Read()
    {
        try
        {
            return JsonSerializer.Deserialize<Dictionary<string, string>>(File.ReadAllText(file));
        }
        catch (Exception missing) when (missing is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    internal void Write(IReadOnlyDictionary<string, string> names) =>
        PrivateFile.WriteAtomically(file, JsonSerializer.Serialize(names));

    internal void Delete() => File.Delete(file);
}
