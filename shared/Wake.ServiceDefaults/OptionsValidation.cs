using Microsoft.Extensions.DependencyInjection;

namespace Wake.ServiceDefaults;

/// <summary>Options that are checked when the process starts, so that a wrong setting is a sentence and not a surprise.</summary>
public static class OptionsValidation
{
    /// <summary>Binds a configuration section and validates it at start, annotations and <c>IValidatableObject</c> alike.</summary>
    public static IServiceCollection AddValidatedOptions<T>(this IServiceCollection services, string section) where T : class
    {
        services.AddOptions<T>().BindConfiguration(section).ValidateDataAnnotations().ValidateOnStart();
        return services;
    }
}
