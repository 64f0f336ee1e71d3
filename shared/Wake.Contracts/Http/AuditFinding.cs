namespace Wake.Contracts.Http;

/// <summary>What was found about one rule that must hold of the stored rows.</summary>
/// <param name="Rule">What must hold.</param>
/// <param name="Broken">In how many places it does not.</param>
/// <param name="Examples">Some of them, at most 20.</param>
public sealed record AuditFinding(string Rule, long Broken, IReadOnlyList<string> Examples);
