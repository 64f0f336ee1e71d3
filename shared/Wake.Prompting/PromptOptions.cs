using System.ComponentModel.DataAnnotations;

namespace Wake.Prompting;

/// <summary>How wakes are worded. Environment: <c>Prompts__…</c>.</summary>
sealed class PromptOptions : IValidatableObject
{
    public const string Section = "Prompts";

    /// <summary>
    /// A folder with templates of the owner's, each in place of the built-in one of its name; null for the built-in
    /// ones alone. Read once, at the start.
    /// </summary>
    public string? Folder { get; init; }

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Folder is not null && !Directory.Exists(Folder))
            yield return new($"{Section}:Folder: {Folder} is not a directory.", [nameof(Folder)]);
    }
}
