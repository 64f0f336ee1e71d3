using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary>Watches and routes, between the store's records and those of the HTTP contract.</summary>
static class WatchMapping
{
    public static Contract.Watch ToContract(this Watch watch) =>
        new(
            watch.Id,
            watch.Session,
            watch.Subject,
            watch.Types,
            watch.Where,
            watch.Until,
            watch.Once,
            watch.Intent,
            watch.Expires,
            watch.Created
        )
        {
            Ci = watch.Ci?.ToContract(),
            Report = watch.Report?.ToContract(),
            ExpectBy = watch.ExpectBy,
            Expectation = watch.Expectation?.ToContract(),
            OnEnd = watch.CloseAfter is null ? null : Contract.EndPolicy.Close,
            CloseAfterSeconds = watch.CloseAfter > TimeSpan.Zero ? (int)watch.CloseAfter.Value.TotalSeconds : null,
        };

    /// <param name="watch">The watch.</param>
    /// <param name="found">How many events of the last minutes it matched.</param>
    /// <param name="ended">Whether one of them has ended it already.</param>
    public static Contract.CreatedWatch ToCreated(this Watch watch, int found, bool ended)
    {
        var made = watch.ToContract();
        return new(found, ended)
        {
            Id = made.Id,
            Session = made.Session,
            Subject = made.Subject,
            Types = made.Types,
            Where = made.Where,
            Until = made.Until,
            Once = made.Once,
            Intent = made.Intent,
            Expires = made.Expires,
            Created = made.Created,
            Ci = made.Ci,
            Report = made.Report,
            ExpectBy = made.ExpectBy,
            Expectation = made.Expectation,
            OnEnd = made.OnEnd,
            CloseAfterSeconds = made.CloseAfterSeconds,
        };
    }

    static Contract.WatchExpectation ToContract(this WatchExpectation expectation) =>
        expectation switch
        {
            WatchExpectation.Waiting => Contract.WatchExpectation.Waiting,
            WatchExpectation.Came => Contract.WatchExpectation.Came,
            WatchExpectation.Silent => Contract.WatchExpectation.Silent,
            _ => throw new InvalidOperationException($"Unknown {expectation}."),
        };

    public static Contract.Route ToContract(this Store.Route route, IReadOnlyList<string>? warnings = null) =>
        new(route.Name, route.Configured, route.Created)
        {
            Warnings = warnings,
            Types = route.Definition.Types,
            Subject = route.Definition.Subject,
            Where = route.Definition.Where,
            Session = route.Definition.Session,
            Profile = route.Definition.Profile,
            Workspace = route.Definition.Workspace,
            FullPrompt = route.Definition.FullPrompt,
            DeltaPrompt = route.Definition.DeltaPrompt,
            OnEnd = route.Definition.OnEnd is null ? null : Contract.EndPolicy.Close,
            CloseAfterSeconds = (int?)route.Definition.CloseAfter?.TotalSeconds,
            Ci = route.Definition.Ci?.ToContract(),
            Report = route.Definition.Report?.ToContract(),
        };

    public static RouteDefinition ToStore(this Contract.RouteDefinition route) =>
        new()
        {
            Types = route.Types,
            Subject = route.Subject,
            Where = route.Where,
            Session = route.Session,
            Profile = route.Profile,
            Workspace = route.Workspace,
            FullPrompt = route.FullPrompt,
            DeltaPrompt = route.DeltaPrompt,
            OnEnd = route.OnEnd switch
            {
                Contract.EndPolicy.Keep => EndPolicy.Keep,
                Contract.EndPolicy.Close => EndPolicy.Close,
                _ => null,
            },
            CloseAfter = route.CloseAfterSeconds is { } after ? TimeSpan.FromSeconds(after) : null,
            Ci = route.Ci?.ToStore(),
            Report = route.Report?.ToStore(),
        };

    static Contract.ReportPolicy ToContract(this ReportPolicy report) =>
        report switch
        {
            ReportPolicy.None => Contract.ReportPolicy.None,
            ReportPolicy.Comment => Contract.ReportPolicy.Comment,
            ReportPolicy.Status => Contract.ReportPolicy.Status,
            _ => throw new InvalidOperationException($"Unknown {report}."),
        };

    public static ReportPolicy ToStore(this Contract.ReportPolicy report) =>
        report switch
        {
            Contract.ReportPolicy.None => ReportPolicy.None,
            Contract.ReportPolicy.Comment => ReportPolicy.Comment,
            Contract.ReportPolicy.Status => ReportPolicy.Status,
            _ => throw new InvalidOperationException($"Unknown {report}."),
        };

    static Contract.CiPolicy ToContract(this CiPolicy ci) =>
        new()
        {
            RerunFirst = ci.RerunFirst,
            AttemptsPerCheck = ci.AttemptsPerCheck,
            AttemptsPerPullRequest = ci.AttemptsPerPullRequest,
            Escalate = ci.Escalate,
            AllPullRequests = ci.AllPullRequests,
        };

    public static CiPolicy ToStore(this Contract.CiPolicy ci)
    {
        var unset = new CiPolicy();
        return new()
        {
            RerunFirst = ci.RerunFirst ?? unset.RerunFirst,
            AttemptsPerCheck = ci.AttemptsPerCheck ?? unset.AttemptsPerCheck,
            AttemptsPerPullRequest = ci.AttemptsPerPullRequest ?? unset.AttemptsPerPullRequest,
            Escalate = ci.Escalate ?? unset.Escalate,
            AllPullRequests = ci.AllPullRequests ?? unset.AllPullRequests,
        };
    }
}
