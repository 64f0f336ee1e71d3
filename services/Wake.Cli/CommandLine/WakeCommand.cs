using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Wake.Cli;

/// <summary>A command whose help ends with more than its options: what else to know, and examples.</summary>
/// <param name="name">The command's word.</param>
/// <param name="summary">What it does, in a line.</param>
/// <param name="more">The rest.</param>
abstract class WakeCommand(string name, string summary, string more) : Command(name, summary)
{
    /// <summary>What the help of <c>wake</c> itself ends with.</summary>
    public const string Common = """
        wake COMMAND --help shows how each is used, with examples.

        A command finds the running Wake by --data, else by WAKE_URL, else in the data folder that WAKE_DATA names, else
        in the user's own. It sends the key in WAKE_API_KEY, else the token in the data folder. Inside a turn it
        authenticates with the turn's token, which is limited to its own session. An option that takes a value takes
        what follows, whatever it looks like: --reason -x and --reason=-x are the same. A key that is spelt like an
        option goes after --.

        Exit codes: 0 done, 1 failed (standard error says why), 2 used wrongly.

        """;

    /// <summary>What its help ends with.</summary>
    public string More { get; } = more;

    /// <summary>Lets the help end with it.</summary>
    public static void CompleteHelp(RootCommand root)
    {
        var option = root.Options.OfType<HelpOption>().Single();
        option.Action = new ExtendedHelpAction((SynchronousCommandLineAction)option.Action!);
    }

    sealed class ExtendedHelpAction(SynchronousCommandLineAction usual) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => usual.ClearsParseErrors;

        public override int Invoke(ParseResult parseResult)
        {
            var code = usual.Invoke(parseResult);
            parseResult.InvocationConfiguration.Output.WriteLine(
                (parseResult.CommandResult.Command as WakeCommand)?.More ?? Common
            );
            return code;
        }
    }
}
