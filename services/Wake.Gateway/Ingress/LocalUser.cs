using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Wake.Gateway;

/// <summary>
/// Which user of this machine is at the other end of a connection, as the kernel says. A Unix socket tells it
/// everywhere; of TCP over loopback only Linux keeps it, in <c>/proc/net/tcp</c>.
/// </summary>
public static class LocalUser
{
    const uint Root = 0;

    // linux: SOL_SOCKET, SO_PEERCRED, and struct ucred { pid, uid, gid }.
    const int SocketLevel = 1,
        PeerCredentials = 17,
        CredentialsLength = 12,
        UserOffset = 4;

    // As /proc/net/tcp writes the states of TCP.
    const string Established = "01",
        Listening = "0A";

    /// <summary>Whether this process may take a user's word as its own user's: it is the same one, or root, who can do
    /// anything anyway.</summary>
    public static bool IsTrusted(uint user) => user == Root || user == CurrentUser;

    /// <summary>The user this process runs as.</summary>
    public static uint CurrentUser => OperatingSystem.IsWindows() ? Root : geteuid();

    /// <summary>Who connected to a Unix socket; null where the system cannot say.</summary>
    public static uint? GetPeerUser(Socket socket)
    {
        if (OperatingSystem.IsLinux())
        {
            Span<byte> credentials = stackalloc byte[CredentialsLength];
            socket.GetRawSocketOption(SocketLevel, PeerCredentials, credentials);
            return MemoryMarshal.Read<uint>(credentials[UserOffset..]);
        }

        if (OperatingSystem.IsWindows())
            return null;

        return getpeereid((int)socket.Handle, out var user, out _) == 0
            ? user
            : throw new SocketException(Marshal.GetLastPInvokeError());
    }

    /// <summary>Who is at the other end of a connection over loopback; null where the system does not say.</summary>
    /// <param name="here">This end.</param>
    /// <param name="there">The other one.</param>
    public static uint? GetPeerUser(IPEndPoint here, IPEndPoint there) =>
        Find(x => x.State == Established && x.Local.Equals(UnmapIPv4(there)) && x.Remote.Equals(UnmapIPv4(here)));

    /// <summary>Who listens on a port of loopback; null where nobody does, or the system does not say.</summary>
    public static uint? GetListenerUser(int port) =>
        Find(x =>
            x.State == Listening
            && x.Local.Port == port
            && (IPAddress.IsLoopback(x.Local.Address) || IsAny(x.Local.Address))
        );

    static uint? Find(Func<TcpRow, bool> wanted)
    {
        if (!OperatingSystem.IsLinux())
            return null;

        foreach (var file in (string[])["/proc/net/tcp", "/proc/net/tcp6"])
        {
            // A machine without IPv6 lacks the second.
            if (!File.Exists(file))
                continue;

            foreach (var line in File.ReadLines(file).Skip(1))
            {
                if (TcpRow.Parse(line) is { } row && wanted(row))
                    return row.User;
            }
        }

        return null;
    }

    static bool IsAny(IPAddress address) => address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);

    static IPEndPoint UnmapIPv4(IPEndPoint end) =>
        end.Address.IsIPv4MappedToIPv6 ? new(end.Address.MapToIPv4(), end.Port) : end;

    [DllImport("libc", EntryPoint = "geteuid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern uint geteuid();

    [DllImport("libc", EntryPoint = "getpeereid", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern int getpeereid(int socket, out uint user, out uint group);

    /// <summary>A line of <c>/proc/net/tcp</c>, as far as it is needed.</summary>
    internal sealed record TcpRow(IPEndPoint Local, IPEndPoint Remote, string State, uint User)
    {
        /// <summary>Null where it is not understood.</summary>
        public static TcpRow? Parse(string line) =>
            line.Split(' ', StringSplitOptions.RemoveEmptyEntries)
                is [_, var local, var remote, var state, _, _, _, var user, ..]
            && ParseEndpoint(local) is { } here
            && ParseEndpoint(remote) is { } there
            && uint.TryParse(user, NumberStyles.None, CultureInfo.InvariantCulture, out var uid)
                ? new(here, there, state, uid)
                : null;

        // The address in words of four bytes, each as the processor has it in memory; the port as a number.
        static IPEndPoint? ParseEndpoint(string text)
        {
            if (
                text.Split(':') is not [{ Length: 8 or 32 } address, var port]
                || !ushort.TryParse(port, NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var number)
            )
                return null;

            var bytes = Convert.FromHexString(address);
            if (BitConverter.IsLittleEndian)
            {
                for (var i = 0; i < bytes.Length; i += sizeof(uint))
                    BinaryPrimitives.WriteUInt32LittleEndian(
                        bytes.AsSpan(i),
                        BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(i))
                    );
            }

            return UnmapIPv4(new(new IPAddress(bytes), number));
        }
    }
}
