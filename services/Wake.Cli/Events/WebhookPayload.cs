using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Configuration;
using Wake.Producers.GitHub;
using Wake.Producers.Webhooks;
using Wake.Producing;

namespace Wake.Cli;

/// <summary>
/// The options of <c>wake publish</c> for a webhook delivery that lies in a file: read by the very code that reads it
/// at the door, so that a hook can be tried out before it is set up.
/// </summary>
sealed class WebhookPayload
{
    const string GitHub = "github";

    // Where each forge says which event it is. The others say it in the payload.
    static readonly Dictionary<string, string> EventHeaders = new()
    {
        [GitHub] = "X-GitHub-Event",
        ["forgejo"] = "X-Forgejo-Event",
        ["gitea"] = "X-Gitea-Event",
        ["gitlab"] = "X-Gitlab-Event",
    };

    readonly Option<string?> from = new Option<string?>("--from")
    {
        HelpName = "github|gitlab|forgejo|gitea|standard|cloudevents|generic",
        Description =
            "--file holds a webhook delivery as this sender sends it: publish what it means. One of GitHub is read "
            + "with the OwnLogins and Bots of the settings of this machine.",
    }.AcceptOnlyFromAmong(GitHub, "gitlab", "forgejo", "gitea", "standard", "cloudevents", "generic");
    readonly Option<string?> hook = new("--hook")
    {
        HelpName = "NAME",
        Description =
            "The same, as this hook of the settings of this machine reads it: how a described sender is tried out.",
    };
    readonly Option<string?> name = new("--event")
    {
        HelpName = "NAME",
        Description = "With --from or --hook: the event, as the forge's header names it: pull_request.",
    };
    readonly Option<string[]> headers = new("--header")
    {
        HelpName = "'NAME: VALUE'",
        Description = "With --from or --hook: a header of the delivery; may be repeated.",
        Arity = ArgumentArity.OneOrMore,
    };
    readonly Option<string?> secret = new("--secret")
    {
        HelpName = "S",
        Description = "With --from or --hook: refuse the delivery unless it is signed with this.",
    };

    /// <summary>The options, in the order of the help.</summary>
    public IReadOnlyList<Option> Options => [from, hook, name, headers, secret];

    /// <summary>Whether a delivery is meant at all.</summary>
    public bool IsRequested(ParseResult given) => given.GetValue(from) is not null || given.GetValue(hook) is not null;

    /// <summary>Whether any of the options was given.</summary>
    public bool HasAnyOption(CommandResult given) => Options.Any(x => given.GetResult(x) is { Implicit: false });

    /// <summary>Says what is wrong with the options.</summary>
    /// <param name="given">What was given.</param>
    /// <param name="file">The option that names the file.</param>
    public void Validate(CommandResult given, Option file)
    {
        var (sender, named) = (given.GetResult(from) is not null, given.GetResult(hook) is not null);
        if (!sender && !named)
        {
            foreach (var option in Options.Skip(2).Where(x => given.GetResult(x) is { Implicit: false }))
                given.AddError($"{option.Name} belongs to --from or --hook, which say whose delivery --file holds.");
        }
        else if (sender && named)
        {
            given.AddError("--from and --hook both say whose delivery it is: give one of them.");
        }
        else if (given.GetResult(file) is null)
        {
            given.AddError($"{(sender ? "--from" : "--hook")} needs --file, which holds the delivery.");
        }

        foreach (var header in given.GetResult(headers)?.Tokens ?? [])
        {
            if (header.Value.IndexOf(':') is not > 0)
                given.AddError($"--header is written 'Name: value', not '{header.Value}'.");
        }
    }

    /// <summary>What the delivery means.</summary>
    public EventMapping MapEvents(ParseResult given, byte[] body)
    {
        var described = given.GetValue(hook) is { } own
            ? LoadHook(own, given.GetValue(CommonOptions.DataFolder))
            : null;
        var kind = described?.Sender!.Value.ToString().ToLowerInvariant() ?? given.GetValue(from)!;
        List<KeyValuePair<string, string>> all = [];
        foreach (var header in given.GetValue(headers) ?? [])
            all.Add(new(header[..header.IndexOf(':')].Trim(), header[(header.IndexOf(':') + 1)..].Trim()));
        if (given.GetValue(name) is { } value && EventHeaders.TryGetValue(kind, out var where))
            all.Add(new(where, value));

        var delivery = new WebhookRequest(given.GetValue(hook)?.ToLowerInvariant() ?? kind, all, body);
        var sender =
            kind == GitHub
                ? new GitHubWebhookProvider()
                : WebhookProviders.Create(
                    described ?? new() { Sender = Enum.Parse<WebhookProviderKind>(kind, ignoreCase: true) }
                );

        if (
            given.GetValue(secret) is { } key
            && sender.VerificationFailure(delivery, [key], SentAt(delivery)) is { } why
        )
            throw new CommandException(why);

        try
        {
            return sender.Map(delivery) switch
            {
                ({ IsMalformed: true } or { IsForbidden: true }) and var refused => throw new CommandException(
                    refused.IgnoredReason!
                ),
                var mapped when kind == GitHub => ApplySettings(mapped, given.GetValue(CommonOptions.DataFolder)),
                var mapped => mapped,
            };
        }
        catch (JsonException wrong)
        {
            throw new CommandException($"The delivery is not JSON: {wrong.Message}");
        }
    }

    /// <summary>What it means, for people or programs.</summary>
    public static void Show(EventMapping mapped, Output output)
    {
        if (output.Json)
        {
            var json = new JsonObject
            {
                ["events"] = new JsonArray([
                    .. mapped.Events.Select(x => new JsonObject
                    {
                        ["type"] = x.Type,
                        ["subject"] = x.Subject,
                        ["related"] = new JsonArray([.. (x.Related ?? []).Select(y => JsonValue.Create(y))]),
                        ["dedupKey"] = x.EffectiveDedupKey,
                        ["reason"] = x.Reason,
                        ["delivery"] = Output.EnumWord(x.Delivery),
                    }),
                ]),
            };
            if (mapped.IgnoredReason is not null)
                json["ignored"] = mapped.IgnoredReason;
            output.Raw(JsonSerializer.SerializeToUtf8Bytes(json));
            return;
        }

        foreach (var observed in mapped.Events)
        {
            output.Line($"[green]{observed.Type}[/] about {observed.Subject}: {observed.Reason}");
            output.Line($"  {Output.EnumWord(observed.Delivery)}; known as {observed.EffectiveDedupKey}");
        }

        if (mapped.IgnoredReason is not null)
            output.Line($"[yellow]ignored[/]: {mapped.IgnoredReason}");
    }

    // Whose words wake nobody, as the door knows it.
    static EventMapping ApplySettings(EventMapping mapped, string? data) =>
        ReadSettings(
            data,
            settings =>
            {
                var options = settings.GetSection(GitHubOptions.Section).Get<GitHubOptions>() ?? new();
                return SelfAuthoredFilter.MakeAmbient(new ReviewBots(options.Bots).Apply(mapped), options.OwnLogins);
            }
        );

    static HookOptions LoadHook(string name, string? data) => ReadSettings(data, settings => LoadHook(name, settings));

    static HookOptions LoadHook(string name, IConfiguration settings)
    {
        var hooks = settings.GetSection(WebhooksOptions.Section).Get<WebhooksOptions>()?.Hooks;
        if (hooks is null || !hooks.TryGetValue(name, out var described))
            throw new CommandException(
                $"There is no hook {name} in the settings: {WebhooksOptions.Section}__Hooks__{name}__Sender is "
                    + "not set."
            );

        return
            new WebhooksOptions { Hooks = { [name] = described } }
                .Validate(new(described))
                .FirstOrDefault()
                is { } problem
            ? throw new CommandException(problem.ErrorMessage!)
            : described;
    }

    // As wake up reads them.
    static T ReadSettings<T>(string? data, Func<IConfiguration, T> read)
    {
        try
        {
            return read(
                new ConfigurationBuilder()
                    .AddJsonFile(CommonOptions.ResolveFolder(data).SettingsFile, optional: true, reloadOnChange: false)
                    .AddEnvironmentVariables()
                    .Build()
            );
        }
        catch (Exception wrong)
            when (wrong
                    is InvalidDataException
                        or InvalidOperationException
                        or UnauthorizedAccessException
                        or IOException
            )
        {
            throw new CommandException($"The settings cannot be read: {wrong.GetBaseException().Message}");
        }
    }

    // A file is as old as it is: what is checked is who made it.
    static DateTimeOffset SentAt(WebhookRequest delivery)
    {
        string?[] stamps =
        [
            delivery.Header("webhook-timestamp"),
            delivery.Header("svix-timestamp"),
            delivery.Header("X-Slack-Request-Timestamp"),
        ];
        return long.TryParse(
            stamps.FirstOrDefault(x => x is { Length: <= 11 }),
            CultureInfo.InvariantCulture,
            out var seconds
        )
            ? DateTimeOffset.FromUnixTimeSeconds(seconds)
            : DateTimeOffset.UtcNow;
    }
}
