namespace Wake.Cli;

/// <summary>What <c>/health/ready</c> says.</summary>
/// <param name="Reasons">Why checks are not healthy, by their names.</param>
sealed record ReadyHealth(IReadOnlyDictionary<string, string>? Reasons);
