using Wake.Cli;

namespace Wake.Tests.Waking;

/// <summary>How people name a pull request, and what it is called as a subject.</summary>
public sealed class NamingPullRequests
{
    [Theory]
    [InlineData("Octo-Org/Hello#972", "github:octo-org/hello#972")]
    [InlineData("https://github.com/Octo-Org/Hello/pull/972", "github:octo-org/hello#972")]
    [InlineData("https://github.com/octo-org/hello/pull/972/files?w=1#diff", "github:octo-org/hello#972")]
    [InlineData("https://www.github.com/octo-org/hello/issues/3", "github:octo-org/hello#3")]
    [InlineData("https://GHE.example.com:8443/team/app/pull/7", "github@ghe.example.com:8443:team/app#7")]
    [InlineData("octo-org/hello", null)]
    [InlineData("#972", null)]
    [InlineData("https://github.com/octo-org/hello/tree/main", null)]
    [InlineData("ftp://github.com/octo-org/hello/pull/972", null)]
    [InlineData("octo-org/hello#*", null)]
    public void By_its_number_or_its_page(string named, string? subject) =>
        Assert.Equal(subject, PullRequestSubject.Parse(named));
}
