using System.Globalization;
using System.Text.Json;

namespace Wake.Benchmarks;

/// <summary>What was measured: progress and one line of JSON per repetition at once, a table at the end.</summary>
sealed class BenchmarkResults
{
    static readonly JsonSerializerOptions Snake = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    readonly List<(string Group, string Name, List<double> Values, Target? Target)> rows = [];

    /// <summary>Says on standard error what is being done.</summary>
    public static void Progress(string what) => Console.Error.WriteLine($"{DateTime.Now:HH:mm:ss} {what}");

    /// <summary>Prints a repetition for other programs to read.</summary>
    public static void Line<T>(T values) => Console.WriteLine(JsonSerializer.Serialize(values, Snake));

    /// <summary>Adds a repetition's value to a figure.</summary>
    public void Add(string group, string name, double value, Target? target = null)
    {
        if (rows.Find(x => x.Group == group && x.Name == name) is { Values: { } known })
            known.Add(value);
        else
            rows.Add((group, name, [value], target));
    }

    /// <summary>Prints the table. True when everything is as it must be.</summary>
    public bool Print()
    {
        var width = rows.Max(x => x.Name.Length);
        foreach (var group in rows.GroupBy(x => x.Group))
        {
            Console.WriteLine();
            Console.WriteLine(group.Key);
            foreach (var (_, name, values, target) in group)
            {
                var text = $"{Number(Median(values))} [{Number(values.Min())} … {Number(values.Max())}]";
                Console.WriteLine(
                    $"  {name.PadRight(width)}  {text, -34} n={values.Count, -3} {target?.Verdict(values)}".TrimEnd()
                );
            }
        }

        return rows.All(x => x.Target?.IsMissed(x.Values) != true);
    }

    /// <summary>The value in the middle.</summary>
    public static double Median(IEnumerable<double> values) => Percentile(values, 0.5);

    /// <summary>The smallest value that the given part of all values does not exceed.</summary>
    public static double Percentile(IEnumerable<double> values, double part)
    {
        var sorted = values.Order().ToList();
        return sorted[Math.Clamp((int)Math.Ceiling(part * sorted.Count) - 1, 0, sorted.Count - 1)];
    }

    internal static string Number(double value) =>
        Math.Abs(value) switch
        {
            >= 100 => value.ToString("#,0", CultureInfo.InvariantCulture),
            >= 10 => value.ToString("0.0", CultureInfo.InvariantCulture),
            _ => value.ToString("0.###", CultureInfo.InvariantCulture),
        };
}

/// <summary>What a figure has to be.</summary>
/// <param name="Must">The bound; null when nothing is lost by missing it.</param>
/// <param name="Aim">The bound we want; null when it is the same.</param>
/// <param name="AtLeast">Whether they are lower bounds.</param>
/// <param name="Always">Whether every repetition must keep them, rather than the median.</param>
sealed record Target(double? Must = null, double? Aim = null, bool AtLeast = false, bool Always = false)
{
    public bool IsMissed(List<double> values) => Must is { } bound && !Keeps(values, bound);

    public string Verdict(List<double> values)
    {
        var sign = AtLeast ? "≥" : "≤";
        string[] bounds = [.. Bound("must", Must), .. Bound("aim", Aim)];
        var how =
            IsMissed(values) ? "MISSED"
            : Aim is { } wanted && !Keeps(values, wanted) ? "aim not reached"
            : "ok";
        return $"{string.Join(", ", bounds)}{(Always ? ", every time" : "")}: {how}";

        IEnumerable<string> Bound(string name, double? value) =>
            value is null ? [] : [$"{name} {sign} {BenchmarkResults.Number(value.Value)}"];
    }

    bool Keeps(List<double> values, double bound) =>
        AtLeast
            ? (Always ? values.Min() : BenchmarkResults.Median(values)) >= bound
            : (Always ? values.Max() : BenchmarkResults.Median(values)) <= bound;
}
