using System.Text.Json;
using System.Text.Json.Serialization;

namespace Wake.Contracts;

/// <summary>Enum members as camel-case words. Numbers are refused: they would change their meaning with the next
/// member.</summary>
public sealed class CamelCaseEnumConverter<T>()
    : JsonStringEnumConverter<T>(JsonNamingPolicy.CamelCase, allowIntegerValues: false)
    where T : struct, Enum;
