using System.Text.Json.Nodes;

namespace Wake.FakeClaude;

/// <summary>
/// What a person is asked, by AskUserQuestion or because another tool needs permission: a hook may put it off or answer
/// it; else the host on stdin is asked and waited for.
/// </summary>
sealed class Questions(Turn turn)
{
    const string Tool = "AskUserQuestion",
        Appending = "echo tool >> ";

    readonly Lock gate = new();
    string? requestId;
    JsonObject? answer;

    public Ending? Ask(JsonObject input) => Decide(turn.Writer.StartTool(Tool, input));

    /// <summary>A call that no rule allows; allowed, it writes into the file. "PATH N": named by a path that is longer
    /// by N times "./".</summary>
    public Ending? Request(string argument)
    {
        var cut = argument.LastIndexOf(' ');
        var path =
            cut > 0 && int.TryParse(argument.AsSpan(cut + 1), out var times)
                ? $"/{string.Concat(Enumerable.Repeat("./", times))}{argument[1..cut]}"
                : argument;
        return Decide(turn.Writer.StartTool("Bash", new() { ["command"] = $"{Appending}{path}" }));
    }

    /// <summary>Puts the question off whatever a hook says.</summary>
    public Ending Defer(JsonObject call)
    {
        turn.Session.Transcript.Attachment(
            new()
            {
                ["type"] = "hook_deferred_tool",
                ["toolUseID"] = call.Text("id"),
                ["toolName"] = call.Text("name"),
                ["toolInput"] = call["input"]?.DeepClone(),
            }
        );

        return new Ending.Deferred(
            new()
            {
                ["id"] = call.Text("id"),
                ["name"] = call.Text("name"),
                ["input"] = call["input"]?.DeepClone(),
            }
        );
    }

    public Ending Defer() => Defer(turn.Writer.StartTool(Tool, Default()));

    /// <summary>Settles a call, newly made or deferred by an earlier process; an ending means it is deferred.</summary>
    public Ending? Decide(JsonObject call)
    {
        turn.Writer.ResumeTool(call);

        switch (new Hooks(turn.Session).BeforeTool(call))
        {
            case HookDecision.Defer:
                return Defer(call);

            case HookDecision.Allow allow:
                Settle(call, allow.UpdatedInput ?? (JsonObject)call["input"]!);
                break;

            case HookDecision.Deny deny:
                turn.Writer.EndTool(deny.Reason, isError: true);
                break;

            default:
                AskHost(call);
                break;
        }

        return null;
    }

    public void Answer(JsonObject response)
    {
        lock (gate)
        {
            if (requestId is null || response.Text("response", "request_id") != requestId)
                return;

            answer = response;
            turn.Signal();
        }
    }

    /// <summary>Takes an open question back; null when there is none.</summary>
    public JsonObject? Withdraw()
    {
        lock (gate)
        {
            if (requestId is null)
                return null;

            turn.Session.Emit(ControlFrames.Cancel(requestId));
            requestId = null;
            return turn.Writer.ToolCall;
        }
    }

    /// <summary>"Which colour?|Red|Blue"; the colours when nothing is said.</summary>
    public static JsonObject Parse(string text)
    {
        if (text == "")
            return Default();

        var parts = text.Split('|');
        return Question(parts[0].Trim(), parts[1..].Select(x => x.Trim()));
    }

    void AskHost(JsonObject call)
    {
        if (!turn.Session.Cli.Arguments.AsksOnStdio)
        {
            var isQuestion = call.Text("name") == Tool;
            turn.Writer.EndTool(
                isQuestion ? $"No such tool available: {Tool}" : "You haven't granted it yet.",
                isError: true
            );
            if (!isQuestion)
                turn.Deny(call);
            return;
        }

        lock (gate)
        {
            requestId = Guid.NewGuid().ToString();
            turn.Session.EmitState("requires_action");
            turn.Session.Emit(ControlFrames.CanUseTool(requestId, call));
        }

        var response = turn.WaitFor(() => answer);
        lock (gate)
            (requestId, answer) = (null, null);

        turn.Session.Emit(response);
        turn.Session.EmitState("running");
        Take(call, response.At("response", "response"));
    }

    void Take(JsonObject call, JsonNode? reply)
    {
        if (reply.Text("behavior") == "allow")
        {
            Settle(call, reply.At("updatedInput") as JsonObject ?? []);
            return;
        }

        turn.Deny(call);

        // Refused together with the whole turn.
        if (reply.Flag("interrupt"))
            throw new OperationCanceledException();
        turn.Writer.EndTool(reply.Text("message") ?? "Tool permission request failed", isError: true);
    }

    void Settle(JsonObject call, JsonObject input)
    {
        if (call.Text("name") != Tool)
        {
            turn.Session.Cli.Config.Append(input.Text("command")![Appending.Length..], "tool");
            turn.Writer.EndTool(TurnWriter.NoOutput);
            return;
        }

        var answers = input["answers"] as JsonObject ?? [];
        var told =
            answers.Count == 0
                ? "The user did not answer the questions."
                : "Your questions have been answered: "
                    + $"{string.Join(", ", answers.Select(x => $"\"{x.Key}\"=\"{x.Value}\""))}.";

        turn.Writer.EndTool(told);
        turn.Remark += " " + told;
    }

    static JsonObject Default() => Question("Which colour?", ["Red", "Blue"]);

    static JsonObject Question(string text, IEnumerable<string> options) =>
        new()
        {
            ["questions"] = new JsonArray(
                new JsonObject
                {
                    ["question"] = text,
                    ["header"] = text.Split(' ')[^1].TrimEnd('?'),
                    ["options"] = new JsonArray([
                        .. options.Select(x => new JsonObject { ["label"] = x, ["description"] = x }),
                    ]),
                    ["multiSelect"] = false,
                }
            ),
        };
}
