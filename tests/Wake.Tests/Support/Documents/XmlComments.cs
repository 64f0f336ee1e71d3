using System.Collections.Concurrent;
using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Wake.Tests.Support;

/// <summary>The comments of the code, for documents that are made from it.</summary>
static partial class XmlComments
{
    static readonly ConcurrentDictionary<Assembly, XDocument> Files = [];

    /// <summary>The summary of a member, as one line; null when it has none.</summary>
    /// <param name="member">A type, a property or a field.</param>
    /// <param name="named">How the document writes the names of other members.</param>
    /// <param name="code">How it writes what is marked as code; null: like any text.</param>
    public static string? Of(MemberInfo member, Func<string, string> named, Func<string, string>? code = null)
    {
        var file = Files.GetOrAdd(member.Module.Assembly, x => XDocument.Load(Path.ChangeExtension(x.Location, "xml")));
        var id = IdOf(member);
        if (
            file.Descendants("member").FirstOrDefault(x => x.Attribute("name")!.Value == id)?.Element("summary")
            is not { } found
        )
            return null;

        var comment = new XElement(found);
        foreach (var reference in comment.Descendants("see").ToList())
            reference.ReplaceWith(named(reference.Attribute("cref")!.Value.Split('.')[^1]));
        foreach (var marked in code is null ? [] : comment.Descendants("c").ToList())
            marked.ReplaceWith(code!(marked.Value));
        return Spaces().Replace(comment.Value.Trim(), " ");
    }

    // As the compiler writes it: P:Wake.Contracts.ExternalEventObserved.Id.
    static string IdOf(MemberInfo member)
    {
        var declared = (member as Type ?? member.DeclaringType!).FullName!.Replace('+', '.');
        return member switch
        {
            Type => $"T:{declared}",
            FieldInfo => $"F:{declared}.{member.Name}",
            _ => $"P:{declared}.{member.Name}",
        };
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();
}
