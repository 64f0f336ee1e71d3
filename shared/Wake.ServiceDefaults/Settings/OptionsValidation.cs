using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Wake.ServiceDefaults;

/// <summary>Binds options and validates them at start; each problem is one sentence.</summary>
public static class OptionsValidation
{
    /// <summary>
    /// Binds a configuration section and validates it at start: that every name in it is known, that every value can be
    /// read, annotations and <c>IValidatableObject</c>. A section has one class; to add it again changes nothing.
    /// </summary>
    /// <exception cref="InvalidOperationException">The section belongs to another class.</exception>
    public static IServiceCollection AddValidatedOptions<T>(this IServiceCollection services, string section)
        where T : class
    {
        var owned = new SettingsSection(section, typeof(T));
        if (services.GetSettingsSections().FirstOrDefault(x => x.Name == section) is { } known)
        {
            return known == owned
                ? services
                : throw new InvalidOperationException(
                    $"The section {section} belongs to {known.Options.Name} already."
                );
        }

        services.AddSingleton(owned);
        services.AddOptions<T>().BindConfiguration(section).ValidateDataAnnotations().ValidateOnStart();
        return services.AddSingleton<IValidateOptions<T>>(x => new UnreadableValuesValidator<T>(
            x.GetRequiredService<IConfiguration>(),
            owned
        ));
    }

    /// <summary>The sections that have been added.</summary>
    public static IEnumerable<SettingsSection> GetSettingsSections(this IServiceCollection services) =>
        services.Select(x => x.ImplementationInstance).OfType<SettingsSection>();

    sealed class UnreadableValuesValidator<T>(IConfiguration configuration, SettingsSection section)
        : IValidateOptions<T>
        where T : class
    {
        public ValidateOptionsResult Validate(string? name, T options) =>
            SettingsValidation.FindUnreadable(configuration.GetSection(section.Name), section.Options).ToList()
                is { Count: > 0 } problems
                ? ValidateOptionsResult.Fail(problems)
                : ValidateOptionsResult.Success;
    }
}
