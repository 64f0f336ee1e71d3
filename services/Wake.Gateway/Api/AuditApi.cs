using Wake.Contracts;
using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary><c>/v1/audit</c>: whether the store keeps Wake's promises.</summary>
static class AuditApi
{
    public static void MapAudit(this IEndpointRouteBuilder routes) =>
        routes
            .MapGet(
                "/v1/audit",
                async (ConsistencyAudit audit, CancellationToken cancel) =>
                    Results.Ok(
                        (await audit.CheckRules(cancel)).Select(x => new Contract.AuditFinding(
                            x.Rule,
                            x.Broken,
                            x.Examples
                        ))
                    )
            )
            .RequireScope(ApiScopes.Admin)
            .WithTags("operations")
            .WithName("Audit")
            .WithSummary(
                "What must hold of the rows in the store, rule by rule, and where it does not. Reads the whole store."
            )
            .Produces<IReadOnlyList<Contract.AuditFinding>>();
}
