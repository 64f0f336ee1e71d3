using Microsoft.Extensions.Configuration;
using Wake.ServiceDefaults;
using Wake.Standalone;

namespace Wake.Tests.HouseRules;

/// <summary>A file with a former name is refused, and the sentence has the name to write instead.</summary>
public sealed class RenamedSettings
{
    [Theory]
    [InlineData("Coordinator:IntakeSize", "IntakeBatchSize", "5")]
    [InlineData("Coordinator:KeepEvents", "EventRetention", "90.00:00:00")]
    [InlineData("Coordinator:SweepSize", "SweepBatchSize", "5")]
    [InlineData("GitHub:LookEvery", "WatchRefreshInterval", "00:00:05")]
    [InlineData("GitHub:PollEvery", "PollInterval", "00:00:05")]
    [InlineData("Profiles:own:AnswerWithin", "AnswerTimeout", "00:00:05")]
    [InlineData("Profiles:default:Ceiling", "MaxWait", "00:00:05")]
    [InlineData("Profiles:default:ceiling", "MaxWait", "00:00:05")]
    [InlineData("Profiles:default:FreshAfterActing", "FreshAfterSideEffects", "true")]
    [InlineData("Runner:KeepTranscripts", "TranscriptRetention", "00:00:05")]
    [InlineData("Runner:KeepWorkspaces", "WorkspaceRetention", "00:00:05")]
    [InlineData("Runner:LookAgainAfter", "PauseRetryAfter", "00:00:05")]
    [InlineData("Runner:StartPause", "StaggerStart", "00:00:05")]
    public void Are_refused_with_the_name_to_write_instead(string setting, string name, string value)
    {
        Assert.Equal([$"{setting} is called {name} now."], Problems(setting, value));
        Assert.Empty(Problems($"{setting[..setting.LastIndexOf(':')]}:{name}", value));
    }

    [Fact]
    public void Are_refused_only_where_they_were() =>
        Assert.StartsWith("Claude:Ceiling is no setting of Wake's; ", Assert.Single(Problems("Claude:Ceiling", "5")));

    static IEnumerable<string> Problems(string setting, string value) =>
        SettingsValidation.FindProblems(
            (IConfigurationRoot)
                new ConfigurationBuilder()
                    .AddInMemoryCollection([KeyValuePair.Create(setting, (string?)value)])
                    .Build(),
            StandaloneHost.Sections
        );
}
