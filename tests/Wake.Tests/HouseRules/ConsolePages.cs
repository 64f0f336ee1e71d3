using System.Reflection;
using Microsoft.AspNetCore.Components;
using Wake.WebConsole;

namespace Wake.Tests.HouseRules;

/// <summary>What the pages of the console may not do.</summary>
public sealed class ConsolePages
{
    static readonly IReadOnlyList<string> Sources =
    [
        .. Repository.Sources("services/Wake.Console"),
        .. Repository.Sources("services/Wake.Console", "*.razor"),
    ];

    // What models, webhooks and payloads write is text.
    [Theory]
    [InlineData("MarkupString")]
    [InlineData("AddMarkupContent")]
    [InlineData("innerHTML")]
    public void Show_nothing_as_markup(string way) =>
        Problems.None(
            from file in Sources.Concat(Repository.Sources("services/Wake.Console", "*.js"))
            where File.ReadAllText(file).Contains(way, StringComparison.Ordinal)
            select $"{Path.GetFileName(file)} uses {way}"
        );

    // A script or a style of another host, or one that stands in a page, is refused by the content security policy.
    [Theory]
    [InlineData("https://")]
    [InlineData("http://")]
    [InlineData("<style")]
    [InlineData("onclick=\"")]
    [InlineData("eval(")]
    public void Load_nothing_from_elsewhere(string way) =>
        Problems.None(
            from file in Repository.Sources("services/Wake.Console", "*.razor")
            from line in File.ReadLines(file)
            where line.Replace("@onclick=\"", "", StringComparison.Ordinal).Contains(way, StringComparison.Ordinal)
            select $"{Path.GetFileName(file)}: {line.Trim()}"
        );

    // Views have their own paths, and none is one of the API, which would hide it in wake up.
    [Fact]
    public void Have_paths_that_nothing_else_answers()
    {
        var first = typeof(ConsoleOptions)
            .Assembly.GetTypes()
            .SelectMany(x => x.GetCustomAttributes<RouteAttribute>(inherit: false))
            .Select(x => x.Template.TrimStart('/').Split('/')[0])
            .ToList();

        Assert.Contains("sessions", first);
        Assert.Empty(first.Intersect(["v1", "openapi", "health", "open", "github", "hooks"]));
    }
}
