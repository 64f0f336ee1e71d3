using System.Text.Json;
using Wake.Gateway;

namespace Wake.Terminal;

/// <summary>
/// Where Wake can be reached and with which credential: <c>WAKE_URL</c> and <c>WAKE_API_KEY</c>, else the address and
/// the token in a data folder. Looked up for every request: a Wake that was restarted has another token, and may have
/// another port.
/// </summary>
sealed class WakeAddress
{
    readonly string? named = Variables.Get("WAKE_URL");
    readonly string folder;

    public WakeAddress(PluginSettings settings) =>
        folder = Variables.Get("WAKE_DATA") ?? settings.Data ?? DefaultFolder;

    /// <summary>Whether it is the user's own, on this machine, and no address that was named.</summary>
    public bool IsOwn => named is null;

    /// <summary>Changes when a Wake has started or ended; always the same for one that is elsewhere.</summary>
    public DateTime Version => named is null ? File.GetLastWriteTimeUtc(EndpointPath) : default;

    string EndpointPath => Path.Combine(folder, "endpoint.json");

    // As DataFolder.Default.
    static string DefaultFolder =>
        Variables.Get("XDG_DATA_HOME") is { } xdg ? Path.Combine(xdg, "wake")
        : Environment.IsPrivilegedProcess ? "/var/lib/wake"
        : Path.Combine(ClaudeFolders.Home, ".local", "share", "wake");

    /// <summary>Null when no Wake is known, or none that may have the credential.</summary>
    public Target? Resolve()
    {
        var local = ReadEndpoint();
        if (named is not null && !Uri.TryCreate(named, UriKind.Absolute, out _))
            return null;

        var url = named is not null ? new Uri(named) : local;
        if (url is not { Scheme: "http" or "https" })
            return null;

        var key = Variables.Get("WAKE_API_KEY")?.Trim();
        if (!url.IsLoopback || local?.Port != url.Port || named is not null && key is not null)
            return new(url, key);

        // A Wake that was killed leaves its address behind, and the port to anybody.
        return LocalUser.GetListenerUser(url.Port) is { } user && !LocalUser.IsTrusted(user)
            ? null
            : new(url, key ?? ReadToken());
    }

    Uri? ReadEndpoint()
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(EndpointPath), TerminalJson.Default.EndpointFile)?.Url;
        }
        catch (Exception missing) when (missing is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    string? ReadToken()
    {
        try
        {
            return File.ReadAllText(Path.Combine(folder, "token")).Trim() is { Length: > 0 } token ? token : null;
        }
        catch (Exception missing) when (missing is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>An address, and what opens it.</summary>
    public sealed record Target(Uri Url, string? Credential);
}

/// <summary>As Wake writes <c>endpoint.json</c>.</summary>
sealed record EndpointFile(Uri? Url);
