using System.Text.RegularExpressions;
using Microsoft.OpenApi;

namespace Wake.Gateway;

/// <summary>Tells the OpenAPI document of the path parameters that <see cref="PathKey"/> reads by itself.</summary>
static partial class OpenApiPathParameters
{
    public static void Describe(OpenApiOperation operation, string path)
    {
        operation.Parameters ??= [];
        foreach (var name in InBraces().Matches(path).Select(x => x.Groups[1].Value))
        {
            if (operation.Parameters.Any(x => x.Name == name))
                continue;

            operation.Parameters.Add(
                new OpenApiParameter
                {
                    Name = name,
                    In = ParameterLocation.Path,
                    Required = true,
                    Description = "Percent-encoded.",
                    Schema = new OpenApiSchema { Type = JsonSchemaType.String },
                }
            );
        }
    }

    [GeneratedRegex(@"\{(\w+)")]
    private static partial Regex InBraces();
}
