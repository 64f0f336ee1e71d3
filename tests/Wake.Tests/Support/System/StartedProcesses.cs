using System.Runtime.CompilerServices;

namespace Wake.Tests.Support;

/// <summary>What all processes have in common that tests start.</summary>
static class StartedProcesses
{
    // They live for seconds, in which a second compilation of what runs often never pays.
    [ModuleInitializer]
    internal static void Compile()
    {
        Environment.SetEnvironmentVariable("DOTNET_TieredPGO", "0");
        Environment.SetEnvironmentVariable("DOTNET_TC_CallCounting", "0");
        // To map each page of code twice guards against what no test does.
        Environment.SetEnvironmentVariable("DOTNET_EnableWriteXorExecute", "0");
        // There are more of them than processors: one that looks out for work keeps the others from theirs.
        Environment.SetEnvironmentVariable("DOTNET_ThreadPool_UnfairSemaphoreSpinLimit", "0");
    }
}
