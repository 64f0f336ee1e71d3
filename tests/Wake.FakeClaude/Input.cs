namespace Wake.FakeClaude;

/// <summary>Standard input: one JSON object per line, until it is closed.</summary>
sealed class Input(Session session, Cli cli)
{
    public void Read()
    {
        using var stdin = new StreamReader(Console.OpenStandardInput(), Json.Utf8);
        while (stdin.ReadLine() is { } line)
        {
            if (line.Length > 0)
                Hear(line);
        }

        session.Close();
    }

    void Hear(string line)
    {
        switch (Json.Parse(line))
        {
            case { } x when x.Text("type") == "user" && x.At("message", "content") is { } content:
                session.Receive(new(x.Text("uuid"), content.DeepClone()));
                break;

            case { } x when x.Text("type") == "control_request":
                Obey(x.Text("request_id") ?? "", x.Text("request", "subtype"));
                break;

            case { } x when x.Text("type") == "control_response":
                session.Running?.Questions.Answer(x);
                break;

            case { } x when x.Text("type") is not (null or "user"):
                break;

            case var x:
                Console.Error.WriteLine(
                    $"Error parsing streaming input line (type={x.Text("type") ?? "unknown"}, {line.Length} chars): "
                        + "SyntaxError"
                );
                Posix.Exit(1);
                break;
        }
    }

    void Obey(string requestId, string? subtype)
    {
        if (cli.IgnoresInterrupts && subtype is "interrupt" or "end_session")
            return;

        switch (subtype)
        {
            case "interrupt":
                session.Interrupt(requestId);
                break;

            case "end_session":
                session.End(requestId);
                break;

            case "initialize":
                session.Emit(ControlFrames.Success(requestId, ControlFrames.Initialized(cli)));
                break;

            default:
                session.Emit(ControlFrames.Unsupported(requestId, subtype));
                break;
        }
    }
}
