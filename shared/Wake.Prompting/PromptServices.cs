using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Wake.ServiceDefaults;

namespace Wake.Prompting;

/// <summary>Registers prompt rendering.</summary>
public static class PromptServices
{
    /// <summary>A <see cref="WakePrompt"/> with the templates that the settings name.</summary>
    /// <remarks>The owner's are tried with it, so a process in which something needs it at the start does not start
    /// with a wrong one.</remarks>
    public static IHostApplicationBuilder AddPrompts(this IHostApplicationBuilder builder)
    {
        // Standalone is a runner and a gateway, and would say twice what is wrong with a setting.
        if (builder.Services.Any(x => x.ServiceType == typeof(WakePrompt)))
            return builder;

        builder.Services.AddValidatedOptions<PromptOptions>(PromptOptions.Section);
        builder.Services.AddSingleton(services => new WakePrompt(
            new(services.GetRequiredService<IOptions<PromptOptions>>().Value.Folder)
        ));
        return builder;
    }
}
