using System.Text.Json.Nodes;

namespace Wake.FakeClaude;

/// <summary>Standard output: whole lines from several threads, unless a verb wants them broken.</summary>
sealed class Output
{
    readonly Lock gate = new();
    readonly Stream stdout = Console.OpenStandardOutput();
    bool silent;

    /// <summary>One write per byte, so that a reader sees every line torn in every place.</summary>
    public bool ByteByByte { get; set; }

    public void Line(JsonObject frame) => Bytes([.. frame.ToBytes(), (byte)'\n']);

    public void Bytes(ReadOnlySpan<byte> bytes)
    {
        lock (gate)
        {
            if (silent)
                return;

            try
            {
                Write(bytes);
            }
            // Whoever read this has gone away; there is nobody left to tell.
            catch (IOException)
            {
                Posix.Exit(1);
            }
        }
    }

    /// <summary>Nothing is written from here on, and no line is left half written.</summary>
    public void Silence()
    {
        lock (gate)
            silent = true;
    }

    void Write(ReadOnlySpan<byte> bytes)
    {
        var chunk = ByteByByte ? 1 : bytes.Length;
        for (; bytes.Length > 0; bytes = bytes[chunk..])
            stdout.Write(bytes[..chunk]);
    }
}
