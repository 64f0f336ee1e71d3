namespace Wake.Gateway;

/// <summary>The user that this process runs as.</summary>
public static class OwnUser
{
    /// <summary>Whether it is at the other end of a connection. Where no system says, it is taken for so.</summary>
    public static bool IsCaller(ConnectionInfo connection) =>
        !OperatingSystem.IsLinux()
        || connection is { LocalIpAddress: { } here, RemoteIpAddress: { } there }
            && LocalUser.GetPeerUser(new(here, connection.LocalPort), new(there, connection.RemotePort)) is { } user
            && LocalUser.IsTrusted(user);
}
