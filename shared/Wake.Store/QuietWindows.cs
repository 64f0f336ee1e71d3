using System.ComponentModel.DataAnnotations;

namespace Wake.Store;

/// <summary>
/// How long a session's events are collected before it is woken, by profile. Read from the section <c>Profiles</c>:
/// <c>Profiles__NAME__QuietWindow</c>, <c>Profiles__NAME__Ceiling</c>. The profile <c>default</c> also serves those that
/// are not configured. Every service that takes events in needs the same values.
/// </summary>
public sealed class QuietWindows : Dictionary<string, QuietWindow>, IValidatableObject
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Profiles";

    /// <summary>The name of the profile that serves when no other is given or known.</summary>
    public const string Default = "default";

    /// <summary>The window of a profile.</summary>
    public QuietWindow Of(string profile) =>
        TryGetValue(profile, out var own) || TryGetValue(Default, out own) ? own : new();

    /// <inheritdoc />
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        foreach (var (name, window) in this)
        {
            if (window.Quiet < TimeSpan.Zero)
                yield return new($"{Section}:{name}:QuietWindow must not be negative.");

            if (window.Ceiling < window.Quiet)
                yield return new($"{Section}:{name}:Ceiling must not be shorter than its QuietWindow.");
        }
    }
}

/// <summary>How long events are collected.</summary>
public sealed class QuietWindow
{
    /// <summary>How long nothing more must happen. 2 s gathers what one push, merge or review sets off.</summary>
    [Microsoft.Extensions.Configuration.ConfigurationKeyName("QuietWindow")]
    public TimeSpan Quiet { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>The longest wait counted from the first event, so that a steady stream cannot put a wake off for ever.</summary>
    public TimeSpan Ceiling { get; init; } = TimeSpan.FromSeconds(15);
}
