using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Wake.Runner;

/// <summary>
/// Says which run a process belongs to. It stands in the environment, which everything a run starts inherits, whatever
/// session or process group it moves to and whoever becomes its parent.
/// </summary>
/// <param name="Space">The pid namespace in which the runner's number means anything: containers can see into each
/// other.</param>
/// <param name="Runner">The process id of the runner.</param>
/// <param name="RunnerStarted">When that process started, as the kernel counts: tells it from a later one with its
/// number.</param>
/// <param name="Run">The run. Its first half says of which session, its second is random.</param>
sealed record RunMark(string Space, int Runner, long RunnerStarted, Guid Run)
{
    /// <summary>The variable that carries it.</summary>
    public const string Variable = "WAKE_RUN";

    static ReadOnlySpan<byte> Assignment => "WAKE_RUN="u8;

    /// <summary>An id for a new run of a session.</summary>
    public static Guid NewRun(Guid session)
    {
        Span<byte> id = stackalloc byte[16];
        HashOf(session).CopyTo(id);
        RandomNumberGenerator.Fill(id[8..]);
        return new(id);
    }

    /// <summary>Whether the run is one of this session, whichever runner began it.</summary>
    public bool IsOf(Guid session) => Run.ToByteArray().AsSpan(0, 8).SequenceEqual(HashOf(session));

    /// <summary>Whether the same runner began both.</summary>
    public bool IsBeside(RunMark other) =>
        (Space, Runner, RunnerStarted) == (other.Space, other.Runner, other.RunnerStarted);

    static ReadOnlySpan<byte> HashOf(Guid session) => SHA256.HashData(session.ToByteArray()).AsSpan(0, 8);

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Space}.{Runner}.{RunnerStarted}.{Run:N}");

    /// <summary>Null when it is none.</summary>
    public static RunMark? Parse(string text) =>
        text.Split('.') is [var space, var runner, var started, var run]
        && int.TryParse(runner, NumberStyles.None, CultureInfo.InvariantCulture, out var id)
        && long.TryParse(started, NumberStyles.None, CultureInfo.InvariantCulture, out var ticks)
        && Guid.TryParseExact(run, "N", out var guid)
            ? new(space, id, ticks, guid)
            : null;

    /// <summary>The mark in an environment, as the kernel shows one: assignments with a zero byte after each.</summary>
    public static RunMark? In(ReadOnlySpan<byte> environment)
    {
        foreach (var range in environment.Split((byte)0))
        {
            if (environment[range].StartsWith(Assignment))
                return Parse(Encoding.UTF8.GetString(environment[range][Assignment.Length..]));
        }

        return null;
    }
}
