using Microsoft.Extensions.Options;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// Decides whose settings count in a turn. A session that Wake resumes shall have what it had when its owner ran it;
/// the hooks and servers of a workspace that nobody has trusted shall not run, and in <c>-p</c> the CLI asks nobody.
/// </summary>
public sealed class SettingSourceResolver
{
    readonly ClaudeCli claude;
    readonly Workspaces workspaces;
    readonly IOptions<Profiles> profiles;

    internal SettingSourceResolver(ClaudeCli claude, Workspaces workspaces, IOptions<Profiles> profiles) =>
        (this.claude, this.workspaces, this.profiles) = (claude, workspaces, profiles);

    /// <summary>What <c>--setting-sources</c> is told, and for people what the turn then goes without; null when that
    /// is nothing.</summary>
    /// <param name="sessionId">The session.</param>
    /// <param name="workspace">Where it works.</param>
    /// <param name="profile">The name of its profile.</param>
    /// <param name="registered">The Claude session that its owner had begun before they registered it, if they
    /// had.</param>
    public (string Sources, string? LeftOut) Resolve(Guid sessionId, string workspace, string profile, Guid? registered)
    {
        if (profiles.Value.GetOrDefault(profile).SettingSources is { } chosen)
            return (chosen, null);

        if (
            WorkspaceTrust.IsTrusted(claude.StateFile, workspace)
            || registered is { } own && !workspaces.IsManaged(sessionId) && BeganThere(own, workspace)
        )
            return (WorkspaceTrust.AllSources, null);

        return (
            WorkspaceTrust.UserSourceOnly,
            WorkspaceTrust.FindUntrustedSetup(claude.StateFile, workspace) is { } leftOut
                ? WorkspaceTrust.ExplainUntrusted(leftOut, profile)
                : null
        );
    }

    // Whoever has run it there has been asked, or has decided not to be.
    bool BeganThere(Guid claudeSession, string workspace) =>
        new TranscriptFolder(claude.ConfigFolder, workspace, claudeSession).ReadStartDirectory() is { } began
        && WorkspaceTrust.RealPath(began) == WorkspaceTrust.RealPath(workspace);
}
