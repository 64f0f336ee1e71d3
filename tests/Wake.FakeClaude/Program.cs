using Wake.FakeClaude;

// A wrong argument to a verb, mostly.
AppDomain.CurrentDomain.UnhandledException += (_, e) => Cli.Misused($"{e.ExceptionObject}");

var arguments = new Arguments(args);
var folder = Environment.GetEnvironmentVariable("CLAUDE_CONFIG_DIR");
var config = folder is null ? null : new ConfigFolder(folder);

if (arguments.Version)
{
    var version =
        config?.Version() ?? Environment.GetEnvironmentVariable("FAKE_CLAUDE_VERSION") ?? StartScript.UsualVersion;
    Console.WriteLine($"{version} (Claude Code)");
    return 0;
}

// The real program would use the home directory. A fake one must not leave its sessions among a person's own.
if (config is null)
    Cli.Misused("CLAUDE_CONFIG_DIR is not set");

if (!Directory.Exists("."))
    ProcessVerbs.CwdGone();

config.LogStart(arguments);
var orders = config.TakeStartScript();
var cli = new Cli(arguments, config, orders.Version ?? StartScript.UsualVersion);
using var signals = new Signals(cli);

foreach (var order in orders.Verbs)
    if (ProcessVerbs.All.TryGetValue(order.Verb, out var act))
        act(cli, order.Argument);

return SessionStart.Open(cli, orders) is { } session ? session.Run() : 1;
