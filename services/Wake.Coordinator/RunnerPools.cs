using System.ComponentModel.DataAnnotations;
using Wake.Contracts;

namespace Wake.Coordinator;

/// <summary>
/// Which runners a profile's sessions are run by: <c>Profiles__NAME__Pool</c>. The profile <c>default</c> also serves those that
/// are not configured.
/// </summary>
public sealed class RunnerPools : Dictionary<string, RunnerPool>, IValidatableObject
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Profiles";

    /// <summary>The pool of a profile.</summary>
    public string Of(string profile) =>
        TryGetValue(profile, out var own) || TryGetValue("default", out own) ? own.Pool : RunnerQueues.DefaultPool;

    /// <inheritdoc />
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext) =>
        from profile in this
        where !RunnerQueues.IsPool(profile.Value.Pool)
        select new ValidationResult($"{Section}:{profile.Key}:Pool must be lower-case letters, digits and hyphens, forty at most.");
}

/// <summary>The runners of a profile.</summary>
public sealed class RunnerPool
{
    /// <summary>The pool they belong to (<c>Runner__Pool</c> of theirs).</summary>
    public string Pool { get; init; } = RunnerQueues.DefaultPool;
}
