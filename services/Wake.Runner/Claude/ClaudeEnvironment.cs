using System.Globalization;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Runner;

/// <summary>The environment of the CLI: what is named here and in the options, and nothing else of the runner's
/// own.</summary>
/// <remarks>
/// The keys of the model's API reach the CLI and are taken out of the Bash tool's environment by bash-tool.sh, which
/// keeps them out of logs and of what a tool prints. It is no wall: a tool is the same user as the CLI and can read
/// <c>/proc/…/environ</c>, or call an <c>apiKeyHelper</c> as the CLI would. The walls are the CLI's own sandbox
/// (CLAUDE_CODE_SUBPROCESS_ENV_SCRUB, which needs bubblewrap) and a key that is worth little outside.
/// </remarks>
static class ClaudeEnvironment
{
    /// <summary>
    /// The runner's variables that reach the CLI. Its tools can learn them, so nothing is here that a tool may not
    /// know; the database and the broker in particular never are.
    /// </summary>
    public static readonly IReadOnlyList<string> PassedVariables =
    [
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "LANG",
        "LC_*",
        "TZ",
        "TERM",
        "TMPDIR",
        "XDG_*",
        "ANTHROPIC_*",
        "CLAUDE_CONFIG_DIR",
        "CLAUDE_CODE_OAUTH_TOKEN",
        "CLAUDE_CODE_USE_*",
        "AWS_*",
        "CLOUD_ML_REGION",
        "GOOGLE_*",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "NODE_EXTRA_CA_CERTS",
        // Not OTEL_EXPORTER_OTLP_HEADERS: they may hold a key. Who wants them there names them in PassEnvironment.
        Telemetry.EndpointVariable,
        Telemetry.ProtocolVariable,
        .. Telemetry.Signals.SelectMany(x =>
            new[]
            {
                Telemetry.SignalVariable(x, "ENDPOINT"),
                Telemetry.SignalVariable(x, "PROTOCOL"),
                Telemetry.ExporterVariable(x),
            }
        ),
        Telemetry.DisabledVariable,
        "SSH_AUTH_SOCK",
        "GIT_*",
        "GH_*",
        "GITHUB_TOKEN",
        "IS_SANDBOX",
        "WAKE_URL",
    ];

    // What its owner shows to the API, or finds that by, a run is never told, however it is asked for: it has a token
    // of its own.
    static readonly string[] NeverPassed = ["WAKE_API_KEY", "WAKE_DATA", "WAKE_SECRETS"];

    // The CLI runs it at the head of every Bash command. Missing where somebody delivers Wake without it.
    static readonly string BashToolScript = Path.Combine(AppContext.BaseDirectory, "bash-tool.sh");

    /// <summary>Builds it.</summary>
    /// <param name="own">The runner's environment.</param>
    /// <param name="options">What the operator wants passed, dropped and set.</param>
    /// <param name="isRepetition">Whether the message may have been taken up before by a process that died over
    /// it.</param>
    /// <param name="trace">The span the CLI's own spans shall hang under; none when nobody traces.</param>
    /// <param name="mark">Whose processes these are.</param>
    /// <param name="access">What it shows to the API; null for nothing.</param>
    public static Dictionary<string, string> Build(
        IEnumerable<KeyValuePair<string, string>> own,
        ClaudeOptions options,
        bool isRepetition,
        TraceContext trace,
        RunTag mark,
        RunCredentials? access = null
    )
    {
        var environment = own.Where(x =>
                MatchesAny(x.Key, [.. PassedVariables, .. options.PassEnvironment])
                && !MatchesAny(x.Key, [.. options.DropEnvironment, .. NeverPassed])
            )
            .ToDictionary(x => x.Key, x => x.Value);

        RunUser.Current?.Apply(environment);
        environment["DISABLE_AUTOUPDATER"] = "1";
        environment["DISABLE_TELEMETRY"] = "1";
        environment["DISABLE_ERROR_REPORTING"] = "1";
        environment["CLAUDE_CODE_EAGER_FLUSH"] = "1";
        environment["CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS"] = "1";
        environment["CLAUDE_CODE_MAX_RETRIES"] = options.MaxRetries.ToString(CultureInfo.InvariantCulture);

        // A turn begins when its MCP servers are there or have failed, for which the CLI gives them 30 s: 2.1.197
        // begins without those that take two seconds, and a session that has no tool to arm its wake with goes idle for
        // good.
        environment["MCP_CONNECTION_NONBLOCKING"] = "0";
        environment["MCP_CONNECT_TIMEOUT_MS"] = "30000";

        // Together with the message's id these two make a wake that is delivered again after a crash one wake: the turn
        // goes on where it was cut off, and a tool call of unknown outcome is shown as that instead of being forgotten.
        // With a new message the first would run the turn that was cut off or failed before it, too: two turns for one
        // wake.
        if (isRepetition)
            environment["CLAUDE_CODE_RESUME_INTERRUPTED_TURN"] = "1";
        environment["CLAUDE_CODE_RESUME_SHOWS_CUT_OFF_CALLS"] = "1";

        if (trace.TraceParent is not null)
            environment["TRACEPARENT"] = trace.TraceParent;
        if (trace.TraceState is not null)
            environment["TRACESTATE"] = trace.TraceState;

        AddTelemetry(environment);
        if (File.Exists(BashToolScript))
            environment["CLAUDE_ENV_FILE"] = BashToolScript;

        foreach (var (name, value) in options.Environment)
            environment[name] = value;

        environment[RunTag.Variable] = mark.ToString();
        if (access is not null)
        {
            environment[RunTokens.Variable] = access.Token;
            environment[RunCredentials.SessionVariable] = access.SessionKey;
        }

        return environment;
    }

    // Where the runner reports, the CLI reports as well. Spans it calls a beta.
    static void AddTelemetry(Dictionary<string, string> environment)
    {
        if (
            Telemetry.Signals.Where(x => Telemetry.IsEnabled(x, environment.GetValueOrDefault)).ToList() is
            { Count: > 0 } signals
        )
        {
            environment.TryAdd(Telemetry.ProtocolVariable, "http/protobuf");
            environment["CLAUDE_CODE_ENABLE_TELEMETRY"] = "1";
            if (signals.Contains("TRACES"))
                environment["CLAUDE_CODE_ENHANCED_TELEMETRY_BETA"] = "1";
            // A turn ends when its process does, which waits this long for a collector that hangs; twice as long if not
            // told.
            environment["CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS"] = "1000";
            foreach (var signal in signals)
                environment[Telemetry.ExporterVariable(signal)] = "otlp";
        }
    }

    /// <summary>Where a CLI with this environment keeps its state, transcripts included.</summary>
    public static string ConfigFolder(IReadOnlyDictionary<string, string> environment) =>
        environment.TryGetValue("CLAUDE_CONFIG_DIR", out var named) && named.Length > 0
            ? named
            : Path.Combine(environment.TryGetValue("HOME", out var home) ? home : "/", ".claude");

    static bool MatchesAny(string name, IEnumerable<string> patterns) =>
        patterns.Any(pattern =>
            pattern.EndsWith('*') ? name.StartsWith(pattern[..^1], StringComparison.Ordinal) : name == pattern
        );
}

/// <summary>How what runs in a turn comes into the API: for its session and nothing else.</summary>
/// <param name="Token">What it shows.</param>
/// <param name="SessionKey">The session, which the <c>wake</c> command then takes for meant.</param>
sealed record RunCredentials(string Token, string SessionKey)
{
    /// <summary>The variable that names the session.</summary>
    public const string SessionVariable = "WAKE_SESSION";
}
