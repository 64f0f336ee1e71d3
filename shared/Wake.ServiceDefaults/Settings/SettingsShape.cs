using System.Reflection;
using Microsoft.Extensions.Configuration;

namespace Wake.ServiceDefaults;

/// <summary>What a type of options looks like in a configuration: one value, a list, entries by name, or
/// members.</summary>
public abstract record SettingsShape
{
    /// <summary>One value: text, a number, a time span, an address, one word of several.</summary>
    public sealed record Value(Type Type) : SettingsShape;

    /// <summary>Values or objects by position: <c>AllowedTools__0</c>.</summary>
    public sealed record Items(Type ElementType) : SettingsShape;

    /// <summary>Values or objects by names of the owner's: <c>Profiles__NAME__Model</c>.</summary>
    public sealed record Entries(Type ElementType) : SettingsShape;

    /// <summary>An object with members that are known.</summary>
    public sealed record Members(IReadOnlyList<PropertyInfo> Properties) : SettingsShape;

    /// <summary>The shape of a type.</summary>
    public static SettingsShape FromType(Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (
            type == typeof(string)
            || type.IsEnum
            || type.IsPrimitive
            || type == typeof(decimal)
            || type == typeof(TimeSpan)
            || type == typeof(DateTimeOffset)
            || type == typeof(Uri)
        )
            return new Value(type);

        var held = type.GetInterfaces()
            .Append(type)
            .Where(x => x.IsGenericType && x.GetGenericTypeDefinition() == typeof(IEnumerable<>))
            .Select(x => x.GetGenericArguments()[0])
            .FirstOrDefault();
        if (held is { IsGenericType: true } && held.GetGenericTypeDefinition() == typeof(KeyValuePair<,>))
            return new Entries(held.GetGenericArguments()[1]);

        return held is not null
            ? new Items(held)
            : new Members([.. type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(x => x.CanWrite)]);
    }

    /// <summary>What a member is called in a configuration.</summary>
    public static string GetName(PropertyInfo member) =>
        member.GetCustomAttribute<ConfigurationKeyNameAttribute>()?.Name ?? member.Name;
}
