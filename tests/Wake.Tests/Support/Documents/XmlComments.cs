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
    /// <param name="assembly">Where it is declared.</param>
    /// <param name="member">Its name as the compiler writes it:
    /// <c>P:Wake.Contracts.ExternalEventObserved.Id</c>.</param>
    /// <param name="named">How the document writes the names of other members.</param>
    /// <param name="code">How it writes what is marked as code; null: like any text.</param>
    public static string? Of(
        Assembly assembly,
        string member,
        Func<string, string> named,
        Func<string, string>? code = null
    )
    {
        var file = Files.GetOrAdd(assembly, x => XDocument.Load(Path.ChangeExtension(x.Location, "xml")));
        if (
            file.Descendants("member").FirstOrDefault(x => x.Attribute("name")!.Value == member)?.Element("summary")
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

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();
}
