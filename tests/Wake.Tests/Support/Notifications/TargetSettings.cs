using Microsoft.Extensions.Configuration;
using Wake.Notifier;

namespace Wake.Tests.Support;

/// <summary>The settings of a target in a line: <c>Host=mail Port=25</c>.</summary>
static class TargetSettings
{
    public static NotificationTarget Read(string? kind, string settings)
    {
        var all = settings
            .Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(x => x.Split('=', 2))
            .Select(x => KeyValuePair.Create<string, string?>(x[0], x[1]))
            .Append(new("Kind", kind));
        return new ConfigurationBuilder().AddInMemoryCollection(all).Build().Get<NotificationTarget>() ?? new();
    }

    /// <summary>That one of the problems begins with this, or, where it is null, that there are none.</summary>
    public static void AssertProblem(string? kind, string settings, string? problem)
    {
        var problems = Read(kind, settings).Problems();

        if (problem is null)
            Assert.Empty(problems);
        else
            Assert.Contains(problems, x => x.StartsWith(problem, StringComparison.Ordinal));
    }
}
