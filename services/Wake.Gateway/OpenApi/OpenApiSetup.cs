using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace Wake.Gateway;

/// <summary>What the OpenAPI document says that the signatures of the endpoints do not.</summary>
static class OpenApiSetup
{
    public static IServiceCollection AddOpenApiDocument(this IServiceCollection services) =>
        services.AddOpenApi(openApi =>
        {
            openApi.AddDocumentTransformer(
                (document, _, _) =>
                {
                    document.Components ??= new();
                    document.Components.SecuritySchemes ??= new Dictionary<string, IOpenApiSecurityScheme>();
                    document.Components.SecuritySchemes[ApiKeyHandler.SchemeName] = new OpenApiSecurityScheme
                    {
                        Type = SecuritySchemeType.Http,
                        Scheme = "bearer",
                        Description =
                            "A key of wake keys create, or of Gateway__ApiKeys__0. "
                            + "On the machine of wake up the token in its data folder does the same.",
                    };
                    return Task.CompletedTask;
                }
            );
            openApi.AddOperationTransformer(
                (operation, context, _) =>
                {
                    OpenApiPathParameters.Describe(operation, context.Description.RelativePath ?? "");
                    Describe(operation, context);
                    return Task.CompletedTask;
                }
            );
        });

    static void Describe(OpenApiOperation operation, OpenApiOperationTransformerContext context)
    {
        var endpoint = context.Description.ActionDescriptor.EndpointMetadata;

        if (endpoint.OfType<IAuthorizeData>().LastOrDefault() is { Policy: { } scope })
            operation.Security =
            [
                new() { [new OpenApiSecuritySchemeReference(ApiKeyHandler.SchemeName, context.Document)] = [scope] },
            ];

        if (endpoint.OfType<IdempotencyMiddleware.SupportsIdempotencyKey>().Any())
            operation.Parameters!.Add(
                HeaderParameter(
                    IdempotencyMiddleware.Header,
                    "Answers the same request with the same key again as it did, for a day, and does nothing twice."
                )
            );
        if (endpoint.OfType<PreferWait.SupportsPreferWait>().Any())
            operation.Parameters!.Add(
                HeaderParameter(
                    PreferWait.Header,
                    "wait=N: answer when the turns are over, or after N seconds, "
                        + $"{PreferWait.MaxDuration.TotalSeconds:0} at most."
                )
            );

        if (
            endpoint.OfType<PageLinks.LinksToNextPage>().Any()
            && operation.Responses?.GetValueOrDefault("200") is OpenApiResponse page
        )
            page.Headers = new Dictionary<string, IOpenApiHeader>
            {
                ["Link"] = new OpenApiHeader
                {
                    Description = "The next page, as </v1/…?cursor=…>; rel=\"next\". Not there on the last page.",
                    Schema = new OpenApiSchema { Type = JsonSchemaType.String },
                },
            };

        foreach (var status in (string[])["429", "503"])
        {
            if (operation.Responses?.GetValueOrDefault(status) is OpenApiResponse response)
                response.Headers = new Dictionary<string, IOpenApiHeader>
                {
                    ["Retry-After"] = new OpenApiHeader
                    {
                        Description = "Seconds.",
                        Schema = new OpenApiSchema { Type = JsonSchemaType.Integer },
                    },
                };
        }

        if (operation.OperationId is OpenApiExamples.DryRunOperation)
            SetExample(operation.Responses?.GetValueOrDefault("200")?.Content, OpenApiExamples.DryRunAnswer);

        if (OpenApiExamples.ForOperation(operation.OperationId) is not var (request, made, answer))
            return;

        SetExample(operation.RequestBody?.Content, request);
        SetExample(operation.Responses?.GetValueOrDefault(made)?.Content, answer);
    }

    static void SetExample(IDictionary<string, OpenApiMediaType>? content, JsonNode example)
    {
        if (content?.TryGetValue("application/json", out var json) is true)
            json.Example = example;
    }

    static OpenApiParameter HeaderParameter(string name, string description) =>
        new()
        {
            Name = name,
            In = ParameterLocation.Header,
            Description = description,
            Schema = new OpenApiSchema { Type = JsonSchemaType.String },
        };
}
