using Wake.Testing;

namespace Wake.Tests.Support;

/// <summary>Where a fake turn waits until the test lets it go on.</summary>
public sealed class HoldFile : IDisposable
{
    readonly TemporaryFolder folder = new();

    public string Path => folder.File("go");

    /// <summary>Waits until the turn has come to it.</summary>
    public Task Reached() =>
        Eventually.Holds(() => Task.FromResult(File.Exists($"{Path}.reached")), "the turn reaches its hold");

    public void Release() => File.WriteAllText(Path, "");

    public void Dispose() => folder.Dispose();
}
