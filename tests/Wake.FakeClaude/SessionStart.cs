namespace Wake.FakeClaude;

/// <summary>Finds the session to resume or begins a new one, and says no in the real program's words.</summary>
static class SessionStart
{
    /// <summary>Null when there is no session to run; the reason has been printed and the exit code is 1.</summary>
    public static Session? Open(Cli cli, StartScript orders)
    {
        if (cli.Arguments.UsageError is { } mistake)
        {
            Console.Error.WriteLine(mistake);
            return null;
        }

        return cli.Arguments.Resume is { } id
            ? Resume(cli, orders, id)
            : Create(cli, orders, cli.Arguments.SessionId ?? Guid.NewGuid().ToString());
    }

    static Session? Resume(Cli cli, StartScript orders, string id)
    {
        // A path is resumed from any directory.
        var given = Path.IsPathRooted(id) && id.EndsWith(".jsonl", StringComparison.Ordinal) ? id : null;
        id = given is null ? id : Path.GetFileNameWithoutExtension(given);
        if (!Guid.TryParseExact(id, "D", out _))
        {
            return Refuse(
                cli,
                Guid.NewGuid().ToString(),
                "Error: --resume requires a valid session ID or session title when used with --print. "
                    + $"Provided value \"{id}\" is not a UUID and does not match any session title."
            );
        }

        var path =
            orders.DeniesResume ? null
            : given is not null && File.Exists(given) ? given
            : cli.Config.FindTranscript(Environment.CurrentDirectory, id);
        var transcript = path is null ? null : new Transcript(cli.Config, path, id, cli.Version);

        return transcript is { IsResumable: true }
            ? Begin(cli, orders, id, transcript)
            : Refuse(cli, id, $"No conversation found with session ID: {id}");
    }

    // Only the own directory is looked at, and any file there counts, even an empty one.
    static Session? Create(Cli cli, StartScript orders, string id)
    {
        var path = cli.Config.TranscriptOf(Environment.CurrentDirectory, id);
        if (!File.Exists(path))
            return Begin(cli, orders, id, new(cli.Config, path, id, cli.Version));

        Console.Error.WriteLine($"Error: Session ID {id} is already in use.");
        return null;
    }

    static Session Begin(Cli cli, StartScript orders, string id, Transcript transcript) =>
        cli.Session = new(cli, id, transcript, orders.ForTheFirstTurn);

    static Session? Refuse(Cli cli, string id, string reason)
    {
        cli.Output.Line(new Frames(cli.Arguments, cli.Version, id).NotStarted(reason));
        Console.Error.WriteLine(reason);
        return null;
    }
}
