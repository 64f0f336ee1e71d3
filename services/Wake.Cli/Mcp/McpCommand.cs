using System.CommandLine;
using ModelContextProtocol.Server;

namespace Wake.Cli;

/// <summary><c>wake mcp</c>: gives an agent the means to arm its own wake before it goes idle.</summary>
sealed class McpCommand : ClientCommand
{
    const string Instructions =
        "Wake resumes this session when something happens outside, so that you need not wait or poll. Arm a watch for "
        + "what you wait for, then end your turn: you are told when it happens, also if it did in the last five "
        + "minutes.";

    readonly Option<string?> session = CurrentSession.CreateOption("The session that uses the tools.");

    public McpCommand()
        : base(
            "mcp",
            "Serves the tools of a session over MCP, on standard input and output.",
            """
            Tools: watch, list_watches, cancel_watch, schedule_wake, list_scheduled_wakes, cancel_scheduled_wake,
            list_events, explain.

            Example:
              claude mcp add wake -- wake mcp
            """
        ) => Accepts(session);

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var tools = new McpTools(wake, given.GetValue(session));
        var options = new McpServerOptions
        {
            ServerInfo = new() { Name = "wake", Version = typeof(McpCommand).Assembly.GetName().Version!.ToString(3) },
            ServerInstructions = Instructions,
            ToolCollection =
            [
                McpServerTool.Create(tools.Watch, new() { Name = "watch", Destructive = false }),
                McpServerTool.Create(tools.ListWatches, new() { Name = "list_watches", ReadOnly = true }),
                McpServerTool.Create(tools.CancelWatch, new() { Name = "cancel_watch", Idempotent = true }),
                McpServerTool.Create(tools.ScheduleWake, new() { Name = "schedule_wake", Destructive = false }),
                McpServerTool.Create(
                    tools.ListScheduledWakes,
                    new() { Name = "list_scheduled_wakes", ReadOnly = true }
                ),
                McpServerTool.Create(
                    tools.CancelScheduledWake,
                    new() { Name = "cancel_scheduled_wake", Idempotent = true }
                ),
                McpServerTool.Create(tools.ListEvents, new() { Name = "list_events", ReadOnly = true }),
                McpServerTool.Create(tools.Explain, new() { Name = "explain", ReadOnly = true }),
            ],
        };

        await using var server = McpServer.Create(new StdioServerTransport(options), options);
        await server.RunAsync(cancel);
        return 0;
    }
}
