using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Wake.Runner;

/// <summary>
/// Says which run a process belongs to. It stands in the environment, which everything a run starts inherits, whatever
/// session or process group it moves to and whoever becomes its parent.
/// </summary>
/// <param name="PidNamespace">The pid namespace in which the runner's number means anything: containers can see into
/// each other.</param>
/// <param name="RunnerPid">The process id of the runner.</param>
/// <param name="RunnerStartTicks">When that process started, as the kernel counts: tells it from a later one with its
/// number.</param>
/// <param name="RunId">The run. Its first half says of which session, its second is random.</param>
sealed record RunTag(string PidNamespace, int RunnerPid, long RunnerStartTicks, Guid RunId)
{
    /// <summary>The variable that carries it.</summary>
    public const string Variable = "WAKE_RUN";

    static ReadOnlySpan<byte> Assignment => "WAKE_RUN="u8;

    /// <summary>An id for a new run of a session.</summary>
    public static Guid NewRunId(Guid session)
    {
        Span<byte> id = stackalloc byte[16];
        HashOf(session).CopyTo(id);
        RandomNumberGenerator.Fill(id[8..]);
        return new(id);
    }

    /// <summary>Whether the run is one of this session, whichever runner began it.</summary>
    public bool BelongsTo(Guid session) => RunId.ToByteArray().AsSpan(0, 8).SequenceEqual(HashOf(session));

    /// <summary>Whether the same runner began both.</summary>
    public bool HasSameRunner(RunTag other) =>
        (PidNamespace, RunnerPid, RunnerStartTicks) == (other.PidNamespace, other.RunnerPid, other.RunnerStartTicks);

    static ReadOnlySpan<byte> HashOf(Guid session) => SHA256.HashData(session.ToByteArray()).AsSpan(0, 8);

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{PidNamespace}.{RunnerPid}.{RunnerStartTicks}.{RunId:N}");

    /// <summary>Null when it is none.</summary>
    public static RunTag? Parse(string text) =>
        text.Split('.') is [var space, var runner, var started, var run]
        && int.TryParse(runner, NumberStyles.None, CultureInfo.InvariantCulture, out var id)
        && long.TryParse(started, NumberStyles.None, CultureInfo.InvariantCulture, out var ticks)
        && Guid.TryParseExact(run, "N", out var guid)
            ? new(space, id, ticks, guid)
            : null;

    /// <summary>The mark in an environment, as the kernel shows one: assignments with a zero byte after each.</summary>
    public static RunTag? FindIn(ReadOnlySpan<byte> environment)
    {
        foreach (var range in environment.Split((byte)0))
        {
            if (environment[range].StartsWith(Assignment))
                return Parse(Encoding.UTF8.GetString(environment[range][Assignment.Length..]));
        }

        return null;
    }
}
