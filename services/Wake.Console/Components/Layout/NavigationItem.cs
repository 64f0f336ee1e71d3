namespace Wake.WebConsole.Components.Layout;

/// <summary>A view in the navigation and the command palette.</summary>
/// <param name="Path">Relative to the console's root.</param>
/// <param name="Title">What it is called.</param>
/// <param name="OnPhones">Whether it has a place in the bar of a phone; the others are in the palette there.</param>
public sealed record NavigationItem(string Path, string Title, bool OnPhones = false)
{
    /// <summary>The views, in order.</summary>
    public static IReadOnlyList<NavigationItem> All { get; } =
    [
        new("", "Needs you", OnPhones: true),
        new("sessions", "Sessions", OnPhones: true),
        new("events", "Events", OnPhones: true),
        new("routing", "Watches and routes"),
        new("sources", "Sources"),
        new("runners", "Runners"),
        new("costs", "Costs"),
        new("activity", "Activity"),
    ];
}
