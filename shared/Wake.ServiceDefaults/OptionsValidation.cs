using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Wake.ServiceDefaults;

/// <summary>Options that are checked when the process starts, so that a wrong setting is a sentence and not a surprise.</summary>
public static class OptionsValidation
{
    /// <summary>
    /// Binds a configuration section and validates it at start: that every value can be read, annotations and
    /// <c>IValidatableObject</c>.
    /// </summary>
    public static IServiceCollection AddValidatedOptions<T>(this IServiceCollection services, string section) where T : class
    {
        services.AddOptions<T>().BindConfiguration(section).ValidateDataAnnotations().ValidateOnStart();
        return services.RefuseIllegible<T>(section);
    }

    /// <summary>
    /// Refuses, at start, a section with an entry whose value cannot be read. The binder leaves such an entry of a list or a
    /// dictionary out: a profile would run without its limits, and a schedule not at all.
    /// </summary>
    public static IServiceCollection RefuseIllegible<T>(this IServiceCollection services, string section) where T : class => services
        .AddSingleton<IValidateOptions<T>>(x => new Legible<T>(x.GetRequiredService<IConfiguration>().GetSection(section)));

    sealed class Legible<T>(IConfigurationSection section) : IValidateOptions<T> where T : class
    {
        public ValidateOptionsResult Validate(string? name, T options) => Problems(section, typeof(T)).ToList() is { Count: > 0 } problems
            ? ValidateOptionsResult.Fail(problems) : ValidateOptionsResult.Success;

        static IEnumerable<string> Problems(IConfigurationSection section, Type type)
        {
            var entry = EntryOf(type);
            var parts = entry is not null
                ? section.GetChildren().Select(x => (x, entry))
                : type.GetProperties().Where(x => x.CanWrite).Select(x => (section.GetSection(x.Name), x.PropertyType)).Where(x => x.Item1.Exists());

            foreach (var (part, of) in parts)
            {
                string? problem = null;
                try
                {
                    _ = entry is null ? null : part.Get(of);
                }
                catch (InvalidOperationException illegible)
                {
                    problem = illegible.Message;
                }

                foreach (var found in problem is null ? Problems(part, of) : [problem])
                    yield return found;
            }
        }

        // What a list or a dictionary holds; null for everything else.
        static Type? EntryOf(Type type) => type == typeof(string) ? null : type.GetInterfaces().Append(type)
            .Where(x => x.IsGenericType && x.GetGenericTypeDefinition() == typeof(IEnumerable<>))
            .Select(x => x.GetGenericArguments()[0])
            .Select(x => x.IsGenericType && x.GetGenericTypeDefinition() == typeof(KeyValuePair<,>) ? x.GetGenericArguments()[1] : x)
            .FirstOrDefault();
    }
}
