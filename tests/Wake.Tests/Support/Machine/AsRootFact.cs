namespace Wake.Tests.Support;

/// <summary>A test that makes users of the machine, which takes root. Elsewhere it is skipped, and says so.</summary>
public sealed class AsRootFactAttribute : FactAttribute
{
    public AsRootFactAttribute()
    {
        if (!OperatingSystem.IsLinux() || !Environment.IsPrivilegedProcess)
            Skip = "Only root on Linux can make the users that this needs.";
    }
}
