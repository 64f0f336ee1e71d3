namespace Wake.ServiceDefaults;

/// <summary>A section of the configuration and the one class of options that owns it.</summary>
/// <param name="Name">The section, as in <c>Runner__Slots</c>.</param>
/// <param name="Options">What it is bound to. A name that is no member of it is an unknown setting.</param>
public sealed record SettingsSection(string Name, Type Options)
{
    /// <summary>
    /// All sections of Wake. Every process knows their names, so that services can share one file of settings; each
    /// knows the members of those that it reads.
    /// </summary>
    public static IReadOnlyList<string> Names { get; } =
    [
        "Breakers",
        "Claude",
        "Console",
        "Coordinator",
        "Cron",
        "Gateway",
        "GitHub",
        "Local",
        "MessageBus",
        "Notifications",
        "Profiles",
        "Prompts",
        "Proxies",
        "Routes",
        "Runner",
        "Webhooks",
    ];
}
