using Wake.Testing;

namespace Wake.Tests.Support;

/// <summary>Where a fake turn waits until the test lets it go on.</summary>
public sealed class HoldFile : IDisposable
{
    readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("wake-hold-");

    public string Path => System.IO.Path.Combine(folder.FullName, "go");

    /// <summary>Waits until the turn has come to it.</summary>
    public Task Reached() => Eventually.Holds(() => Task.FromResult(File.Exists($"{Path}.reached")), "the turn reaches its hold");

    public void Release() => File.WriteAllText(Path, "");

    public void Dispose() => folder.Delete(recursive: true);
}
