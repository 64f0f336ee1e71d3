using System.Reflection;
using Microsoft.Extensions.Options;

namespace Wake.Prompting;

/// <summary>One template as it was read.</summary>
/// <param name="Name">What it is for: <c>frame</c>, or a type or its beginning and a form, <c>ci.full</c>.</param>
/// <param name="Origin">Where it was read, for people.</param>
/// <param name="Text">What it says.</param>
/// <param name="IsBuiltIn">Whether it is Wake's own, and not the owner's.</param>
sealed record PromptTemplateFile(string Name, string Origin, string Text, bool IsBuiltIn)
{
    /// <summary>The template around all others.</summary>
    public const string Frame = "frame";

    /// <summary>For a session that does not know yet what it is about.</summary>
    public const string Full = ".full";

    /// <summary>For a session that remembers. Missing, it is told in full.</summary>
    public const string Delta = ".delta";

    /// <summary>The same for both.</summary>
    public const string Once = ".once";

    const string Extension = ".hbs";

    /// <summary>The built-in templates, each replaced by the one of the same name in a folder, if there is
    /// one.</summary>
    /// <exception cref="OptionsValidationException">A file of the folder is no template, or two contradict each
    /// other.</exception>
    public static IReadOnlyCollection<PromptTemplateFile> LoadAll(string? folder)
    {
        var files = BuiltIn().ToDictionary(x => x.Name);
        var own = folder is null ? [] : LoadFolder(folder).ToDictionary(x => x.Name);

        foreach (var file in own.Values)
        {
            // What is said the same always cannot be said in two forms as well; the owner's word counts, unless it is
            // two.
            foreach (var other in file.ConflictingNames())
            {
                if (own.TryGetValue(other, out var contradiction))
                    throw file.CreateException(
                        $"says the same always, and so does not go with {contradiction.Origin}."
                    );
                files.Remove(other);
            }

            files[file.Name] = file;
        }

        return files.Values;
    }

    /// <summary>The exception that says what is wrong with this file.</summary>
    public OptionsValidationException CreateException(string problem) =>
        new(PromptOptions.Section, typeof(PromptOptions), [$"The template {Origin} {problem}"]);

    static IEnumerable<PromptTemplateFile> BuiltIn()
    {
        var assembly = Assembly.GetExecutingAssembly();
        foreach (
            var resource in assembly
                .GetManifestResourceNames()
                .Where(x => x.EndsWith(Extension, StringComparison.Ordinal))
        )
        {
            using var text = new StreamReader(assembly.GetManifestResourceStream(resource)!);
            yield return new(
                resource[..^Extension.Length],
                $"{resource} (built in)",
                text.ReadToEnd(),
                IsBuiltIn: true
            );
        }
    }

    static IEnumerable<PromptTemplateFile> LoadFolder(string folder)
    {
        foreach (var path in Directory.GetFiles(folder, $"*{Extension}").Order(StringComparer.Ordinal))
        {
            var file = new PromptTemplateFile(
                Path.GetFileNameWithoutExtension(path),
                path,
                File.ReadAllText(path).ReplaceLineEndings("\n"),
                IsBuiltIn: false
            );
            if (!file.HasValidName())
                throw file.CreateException(
                    "has the name of no template: they are frame.hbs, TYPE.full.hbs, TYPE.delta.hbs and TYPE.once.hbs."
                );
            yield return file;
        }
    }

    bool HasValidName() => Name == Frame || ((string[])[Full, Delta, Once]).Any(x => Type(x).Length > 0);

    IEnumerable<string> ConflictingNames() =>
        Type(Once) is { Length: > 0 } always ? [always + Full, always + Delta]
        : Type(Full) is { Length: > 0 } full ? [full + Once]
        : Type(Delta) is { Length: > 0 } delta ? [delta + Once]
        : [];

    string Type(string form) => Name.EndsWith(form, StringComparison.Ordinal) ? Name[..^form.Length] : "";
}
