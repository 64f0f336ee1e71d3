using System.Globalization;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>One look at a repository of GitHub.</summary>
/// <param name="Repository">Where.</param>
/// <param name="ObservedBy">Who looked, and who caused what was seen.</param>
/// <param name="Baseline">It was already so when a watch began.</param>
public sealed record GitHubObservation(GitHubRepository Repository, ObservationSource ObservedBy, bool Baseline = false)
{
    /// <summary>A look by way of the API.</summary>
    public static GitHubObservation Poll(GitHubRepository repository, bool baseline = false) =>
        new(repository, new("github:poll", DeliveryId: null), baseline);

    /// <summary>What deliveries have said together.</summary>
    internal static GitHubObservation Webhook(GitHubRepository repository) =>
        new(repository, new("github:webhook", DeliveryId: null));

    /// <summary>The same look at something that somebody did, or wrote.</summary>
    public GitHubObservation WithActor(string? login, string? kind) =>
        this with
        {
            ObservedBy = ObservedBy with { Actor = login, ActorType = kind },
        };

    /// <summary>A fact that can happen once.</summary>
    internal EventMapping OneTimeEvent(
        string type,
        string subject,
        string reason,
        EventData data,
        IEnumerable<string>? related = null
    ) => Event(type, subject, [], reason, data, related);

    /// <summary>A fact that can happen again, told apart by these; nothing when one of them is missing.</summary>
    internal EventMapping Event(
        string type,
        string subject,
        ReadOnlySpan<string?> discriminator,
        string reason,
        EventData data,
        IEnumerable<string>? related = null
    ) =>
        ObservedBy.CreateEvent(
            type,
            subject,
            discriminator,
            reason,
            data.Add("repository", Repository.FullName).Add("repositoryId", Repository.Id).Add("baseline", Baseline),
            related
        );

    internal static string FormatNumber(long number) => number.ToString(CultureInfo.InvariantCulture);
}
