using Wake.Tests.Support;

namespace Wake.Tests.HouseRules;

/// <summary>The first page: short, and the way to all others.</summary>
public sealed class Readme
{
    const int MaxLines = 150;

    static readonly MarkdownDocument Page = new(Path.Combine(Repository.Root, "README.md"));

    [Fact]
    public void Can_be_read_in_one_go() => Assert.InRange(Page.Prose.Count, 1, MaxLines);

    [Fact]
    public void Leads_to_every_page()
    {
        var linked = Page.Links.Select(x => x.Split('#')[0]).ToHashSet();
        var pages = Directory
            .GetFiles(Path.Combine(Repository.Root, "docs"), "*.md")
            .Select(x => $"docs/{Path.GetFileName(x)}")
            .ToList();

        Assert.NotEmpty(pages);
        Assert.Empty(pages.Except(linked));
    }
}
