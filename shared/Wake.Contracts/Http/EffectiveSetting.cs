namespace Wake.Contracts.Http;

/// <summary>A setting as a process uses it.</summary>
/// <param name="Name">Its name as an environment variable: <c>Runner__Slots</c>.</param>
/// <param name="Value">Its value, as one writes it; null when nothing is set. Secrets are masked.</param>
/// <param name="Source">Where it is from: <c>default</c>, <c>environment</c>, the path of a file, <c>secret file</c>,
/// <c>wake up</c>.</param>
public sealed record EffectiveSetting(string Name, string? Value, string Source);
