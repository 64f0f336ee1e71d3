using MassTransit;
using Microsoft.Extensions.Options;
using Wake.Prompting;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Runner;

/// <summary>Registers the runner's services.</summary>
public static class RunnerServices
{
    /// <summary>The slots, and all that runs a turn in one.</summary>
    public static IHostApplicationBuilder AddRunner(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton<IValidateOptions<RunnerOptions>, RunUserValidation>();
        builder.Services.AddValidatedOptions<RunnerOptions>(RunnerOptions.Section);
        builder.Services.AddValidatedOptions<ClaudeOptions>(ClaudeOptions.Section);
        builder.Services.AddValidatedOptions<Profiles>(Profiles.Section);
        builder.AddPrompts();

        builder
            .Services.AddOptions<HostOptions>()
            .Configure<IOptions<ClaudeOptions>>((host, claude) => host.ShutdownTimeout = claude.Value.DrainTime);

        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<ProcessLauncher>();
        builder.Services.AddSingleton<ClaudeProbe>();
        builder.Services.AddSingleton<RlimitTags>();
        builder.Services.AddSingleton<RunReaper>();
        builder.Services.AddSingleton<LeaseWatchdog>();
        builder.Services.AddSingleton<ClaudeCli>();
        builder.Services.AddSingleton<WarmSessions>();
        builder.Services.AddSingleton<Budgets>();
        builder.Services.AddSingleton<RunnerPause>();
        builder.Services.AddSingleton<RunnerDrain>();
        builder.Services.AddSingleton<EarlierRuns>();
        builder.Services.AddSingleton<FreshSessionRecap>();
        builder.Services.AddSingleton<RunCommands>();
        builder.Services.AddSingleton<RunPreparation>();
        builder.Services.AddSingleton<RunRecords>();
        builder.Services.AddSingleton<RunExecution>();
        builder.Services.AddSingleton<ResumeWithFreshFallback>();
        builder.Services.AddSingleton<AffinityQueue>();
        builder.Services.AddSingleton<TurnRunner>();
        builder.Services.AddSingleton<RunnerName>();
        builder.Services.AddSingleton<RunnerSlots>();
        builder.Services.AddSingleton<TurnClaims>();
        builder.Services.AddSingleton<WithheldTurns>();
        builder.Services.AddSingleton<Git>();
        builder.Services.AddSingleton<Workspaces>();
        builder.Services.AddSingleton(services => new SettingSourceResolver(
            services.GetRequiredService<ClaudeCli>(),
            services.GetRequiredService<Workspaces>(),
            services.GetRequiredService<IOptions<Profiles>>()
        ));
        builder.Services.AddHostedService<Housekeeping>();
        builder.Services.AddSingleton<RunnerEndpoints>();
        builder.Services.AddHealthChecks().AddCheck<RunnerHealth>("runner", tags: [Health.ReadyTag]);
        return builder;
    }

    /// <summary>The consumer; <see cref="RunnerEndpoints"/> connects it to the queues itself, and only while a slot is
    /// free.</summary>
    public static void AddResumeSession(this IBusRegistrationConfigurator bus) =>
        bus.AddConsumer<ResumeSessionConsumer>().ExcludeFromConfigureEndpoints();

    /// <summary>Starts taking work. After the bus: the endpoints connect to it.</summary>
    /// <param name="builder">The process.</param>
    /// <param name="named">Told what the runner is called, before it takes any.</param>
    public static IHostApplicationBuilder AddRunnerSlots(
        this IHostApplicationBuilder builder,
        Action<string>? named = null
    )
    {
        builder.Services.AddHostedService<ReapOrphansAtStart>();
        builder.Services.AddHostedService<ReadableSecretsCheck>();
        builder.Services.AddHostedService(services =>
        {
            var name = services.GetRequiredService<RunnerName>();
            name.OnAcquired = named;
            return name;
        });
        builder.Services.AddHostedService<RunnerReport>();
        builder.Services.AddHostedService(services =>
        {
            // Made now, so that a template that is wrong stops the start and not the first turn.
            services.GetRequiredService<WakePrompt>();
            return services.GetRequiredService<RunnerEndpoints>();
        });
        builder.Services.AddHostedService(services => services.GetRequiredService<WithheldTurns>());
        builder.Services.AddHostedService<WarmSessionEvictor>();
        builder.Services.AddHostedService<PausedTurns>();
        return builder;
    }

    /// <summary>A tool of a runner that was killed may still be at work in the very workspace that the next turn
    /// gets.</summary>
    sealed class ReapOrphansAtStart(RunReaper reaper) : IHostedService
    {
        public async Task StartAsync(CancellationToken cancellationToken)
        {
            await reaper.ReapOrphans();
            QuestionHook.DeleteStale();
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
