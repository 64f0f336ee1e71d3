using System.Text.RegularExpressions;

namespace Wake.Tests.HouseRules;

/// <summary>The sources and documents use the field's words, lines that fit, and comments that say something.</summary>
public sealed partial class Words
{
    const int Width = 120;

    const string Declarations = @"\b(?:class|record struct|record|struct|enum|interface)\s+(\w+)";

    // Only what is always wrong: a name that has given way to another, or a phrase with one meaning here.
    static readonly (string Banned, string Replacement)[] Table =
    [
        ("AnotherIsAtIt", "LockedByAnotherReplica"),
        ("CallsBeside", "SiblingCalls"),
        ("Checkup", "DoctorChecks"),
        ("ClosingWords", "ClosingKeywords"),
        ("Doorbell", "RepollRequests"),
        ("EventDoor", "EventIngress"),
        ("EventRights", "PublishPermissions"),
        ("HandsOnAfter", "AffinityQueue.MessageTtl"),
        ("Heeded", "SupportsIdempotencyKey"),
        ("HoldsBack", "IsBurst"),
        ("HookCredentials", "WebhookCredentials"),
        ("HookDoor", "WebhookReceiver"),
        ("HookRequest", "WebhookRequest"),
        ("IntakeDecision", "IntakeResult"),
        ("ISender", "IWebhookProvider"),
        ("KeptEvents", "SpoolResult"),
        ("KeptTrace", "TraceContext"),
        ("KeyRing", "ApiKeyCache"),
        ("MemoryFiles", "TranscriptFiles"),
        ("NearRunner", "RunnerAffinity"),
        ("NeededScope", "ScopeRequirement"),
        ("OwnWords", "SelfAuthoredFilter"),
        ("PutOffCall", "DeferredToolCall"),
        ("RefuseIllegible", "UnreadableValuesValidator"),
        ("RunMark", "RunTag"),
        ("ServiceSeal", "ManagedFileChecksum"),
        ("SessionMemory", "TranscriptSync"),
        ("SettingInForce", "EffectiveSetting"),
        ("Standstill", "RunnerPause"),
        ("TurnReturn", "TurnRelease"),
        ("WakeAddresses", "ResumeSessionRouting"),
        ("WebhookGaps", "MissedDeliveryRecovery"),
        ("put off", "defer, schedule, postpone"),
        ("rehearsal", "dry run"),
        ("rehearsals", "dry runs"),
        ("rehearse", "dry run"),
        ("rehearsed", "dry run"),
        ("HttpDoor", "HttpServerDefaults"),
    ];

    static readonly Regex AnyBanned = new(
        $@"\b(?:{string.Join('|', Table.Select(x => x.Banned))})\b",
        RegexOptions.IgnoreCase | RegexOptions.Compiled
    );

    // Words that say nothing by themselves.
    static readonly HashSet<string> Fillers =
    [
        .. "a all an and are as at be by for from in into is it its of on".Split(' '),
        .. "one or s that the their them these they this those to was with".Split(' '),
    ];

    static readonly string ThisFile = Path.Combine("HouseRules", "Words.cs");

    [Fact]
    public void Are_those_of_the_field() =>
        Problems.None(
            from file in Repository.Sources("").Concat(Repository.Sources("", "*.md"))
            where !file.EndsWith(ThisFile, StringComparison.Ordinal) && Path.GetFileName(file) != "CHANGELOG.md"
            from line in File.ReadLines(file).Index()
            from found in BannedWords(line.Item)
            select $"{Place(file, line.Index)}: '{found.Banned}' is now '{found.Replacement}'"
        );

    [Fact]
    public void Stand_in_lines_that_fit() =>
        Problems.None(
            from file in Repository.Sources("")
            from line in TooLong(File.ReadAllLines(file))
            select $"{Place(file, line)}: longer than {Width} columns"
        );

    [Fact]
    public void In_comments_say_more_than_the_name() =>
        Problems.None(
            from file in Repository.Sources("")
            from comment in NameRepeats(File.ReadAllLines(file))
            select $"{Place(file, comment.Line)}: '{comment.Text}' only repeats {comment.Name}"
        );

    [Theory]
    [InlineData("var door = new HookDoor();", "HookDoor")]
    [InlineData("A call that is Put off waits.", "put off")]
    [InlineData("Rehearse it first.", "rehearse")]
    [InlineData("The WebhookReceiver is asked.", null)]
    [InlineData("MyHookDoors", null)]
    [InlineData("Input offers much.", null)]
    public void Are_found_as_whole_words(string line, string? banned) =>
        Assert.Equal(banned, BannedWords(line).Select(x => x.Banned).SingleOrDefault());

    [Theory]
    [InlineData("Call(first, SECOND);", true)]
    [InlineData("// SECOND and more", true)]
    [InlineData("\"a text with spaces SECOND\"", true)]
    [InlineData("\"SECOND\",", false)]
    [InlineData("+ \"SECOND\"", false)]
    [InlineData("Call(\"\"\"a b SECOND\"\"\");", false)]
    [InlineData("Call(@\"a b SECOND\");", false)]
    public void Make_a_line_too_long_where_it_can_be_broken(string line, bool isTooLong)
    {
        var whole = "    " + line.Replace("SECOND", new string('x', Width), StringComparison.Ordinal);
        Assert.Equal(isTooLong, TooLong([whole]).Any());
    }

    [Fact]
    public void Of_a_raw_string_may_be_long_and_those_after_it_may_not()
    {
        var line = "a " + string.Concat(Enumerable.Repeat("b ", Width));
        Assert.Equal([4], TooLong(["var x =", "    \"\"\"", line, "    \"\"\";", line]));
    }

    [Theory]
    [InlineData("Ends it.", "void End()", true)]
    [InlineData("The file's name.", "string FileName { get; }", true)]
    [InlineData("Reads a <c>Thing</c>.", "public static Thing ReadThing(string text) =>", true)]
    [InlineData("The thing.", "public int Value { get; }", true)]
    [InlineData("GitLab.", "GitLab,", true)]
    [InlineData("When it ended, UTC.", "DateTimeOffset? Ended", false)]
    [InlineData("Null when it never was.", "string? Name => name;", false)]
    public void Of_a_comment_that_are_all_in_the_name_say_nothing(string comment, string declaration, bool repeats) =>
        Assert.Equal(
            repeats,
            NameRepeats([
                    "public sealed class Thing",
                    "{",
                    $"    /// <summary>{comment}</summary>",
                    "    [Obsolete]",
                    $"    {declaration}",
                ])
                .Any()
        );

    // A name is banned as it is spelt, a phrase also at the beginning of a sentence.
    static IEnumerable<(string Banned, string Replacement)> BannedWords(string line) =>
        from found in AnyBanned.Matches(line)
        from word in Table
        where
            word.Banned.Equals(
                found.Value,
                char.IsUpper(word.Banned[0]) ? StringComparison.Ordinal : StringComparison.OrdinalIgnoreCase
            )
        select word;

    // Indexes of lines that are too long and could be broken. A raw string is as its text needs it, and what has no
    // space before the margin cannot be broken.
    static IEnumerable<int> TooLong(string[] lines)
    {
        var isRaw = false;
        foreach (var (index, line) in lines.Index())
        {
            var text = line.Trim();
            if (isRaw)
                isRaw = !text.StartsWith("\"\"\"", StringComparison.Ordinal);
            else if (
                line.Length > Width
                && !UnbreakableLiteral().IsMatch(line)
                && line[..Width].Trim().TrimStart('+', ':', '?', ' ').Contains(' ')
            )
                yield return index;
            else
                isRaw =
                    text.EndsWith("\"\"\"", StringComparison.Ordinal)
                    && text.IndexOf("\"\"\"", StringComparison.Ordinal) == text.Length - 3;
        }
    }

    static IEnumerable<(int Line, string Text, string Name)> NameRepeats(string[] lines)
    {
        var type = "";
        foreach (var (index, line) in lines.Index())
        {
            if (TypeDeclaration().Match(line) is { Success: true } declared)
                type = declared.Groups[1].Value;
            if (Summary().Match(line) is not { Success: true } summary)
                continue;

            var declaration = lines.Skip(index + 1).Select(x => x.Trim()).SkipWhile(x => x is ['[', ..]).First();
            // A comment with further parts says more than its summary.
            if (declaration.StartsWith("///", StringComparison.Ordinal))
                continue;
            var name = Name(declaration);
            var known = Split(name).Concat(Split(type)).Select(Stem).ToHashSet();
            var text = summary.Groups[1].Value;
            if (
                Split(Markup().Replace(text, " $1 ")).Where(x => !Fillers.Contains(x)).All(x => known.Contains(Stem(x)))
            )
                yield return (index, text, name);
        }
    }

    static string Name(string declaration) =>
        new[] { Declared(), Called(), Valued() }
            .Select(x => x.Match(declaration))
            .FirstOrDefault(x => x.Success)
            ?.Groups[1]
            .Value
        ?? "";

    static IEnumerable<string> Split(string text) => Word().Matches(text).Select(x => x.Value.ToLowerInvariant());

    static string Stem(string word) => Ending().Replace(word, "").TrimEnd('e');

    static string Place(string file, int line) => $"{Path.GetRelativePath(Repository.Root, file)}:{line + 1}";

    [GeneratedRegex("\"\"\"|@\"")]
    private static partial Regex UnbreakableLiteral();

    [GeneratedRegex(@"^\s*(?:\w+ )*?" + Declarations)]
    private static partial Regex TypeDeclaration();

    [GeneratedRegex(@"^\s*/// <summary>(.*)</summary>$")]
    private static partial Regex Summary();

    [GeneratedRegex(@"<[^>]*?(?:cref=""([^""]*)""[^>]*)?>")]
    private static partial Regex Markup();

    [GeneratedRegex(Declarations)]
    private static partial Regex Declared();

    [GeneratedRegex(@"(\w+)\s*(?:<[^<>]*>)?\s*\(")]
    private static partial Regex Called();

    [GeneratedRegex(@"(\w+)\s*(?:\{|=|;|,|$)")]
    private static partial Regex Valued();

    [GeneratedRegex("[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")]
    private static partial Regex Word();

    [GeneratedRegex("(?<=...)(?:ing|ed|es|s)$")]
    private static partial Regex Ending();
}
