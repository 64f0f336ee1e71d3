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
}
