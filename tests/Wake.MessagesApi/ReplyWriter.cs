using System.Diagnostics;
using System.Text.Json;

namespace Wake.Offline;

/// <summary>Writes one answer in the shape the Messages API gives it: a failure, a whole message, or an event
/// stream.</summary>
sealed class ReplyWriter(HttpResponse response, SeenRequest request, CancellationToken cancel)
{
    public Task Fail(ScriptedFailure failure)
    {
        response.StatusCode = failure.Status;

        if (failure.RetryAfter is { } retryAfter)
            response.Headers.RetryAfter = retryAfter;

        if (failure.ShouldRetry is { } shouldRetry)
            response.Headers["x-should-retry"] = shouldRetry;

        return response.WriteAsJsonAsync(
            new { type = "error", error = new { type = failure.Type, message = failure.Message } },
            cancel
        );
    }

    public Task WriteWhole(ScriptedReply reply) =>
        response.WriteAsJsonAsync(
            Message(reply, reply.Blocks.Select(Content), StopReason(reply), reply.OutputTokens),
            cancel
        );

    /// <summary>An event stream; one that is cut off ends halfway through its last block.</summary>
    public async Task<RequestEnding> WriteStream(ScriptedReply reply, bool cutOff)
    {
        response.ContentType = "text/event-stream";

        await Send("message_start", new() { ["message"] = Message(reply, [], null, 1) });
        await Task.Delay(reply.Silence, cancel);
        await Ping(reply.Pings);

        for (var index = 0; index < reply.Blocks.Count; index++)
        {
            var block = reply.Blocks[index];
            var (first, second) = Halves(Words(block));

            await Send("content_block_start", new() { ["index"] = index, ["content_block"] = Content(Emptied(block)) });
            await Send("content_block_delta", new() { ["index"] = index, ["delta"] = Delta(block, first) });

            if (index == reply.Blocks.Count - 1 && cutOff)
                return RequestEnding.CutOff;

            if (index == reply.Blocks.Count - 1 && reply.StreamError is { } error)
            {
                await Send("error", new() { ["error"] = new { type = error, message = error } });
                return RequestEnding.Failed;
            }

            await Send("content_block_delta", new() { ["index"] = index, ["delta"] = Delta(block, second) });
            await Send("content_block_stop", new() { ["index"] = index });
        }

        await Send(
            "message_delta",
            new()
            {
                ["delta"] = new { stop_reason = StopReason(reply), stop_sequence = (string?)null },
                ["usage"] = new { output_tokens = reply.OutputTokens },
            }
        );
        await Send("message_stop", []);

        return RequestEnding.Replied;
    }

    async Task Ping(TimeSpan duration)
    {
        for (var begun = Stopwatch.StartNew(); begun.Elapsed < duration; )
        {
            await Send("ping", []);
            await Task.Delay(TimeSpan.FromSeconds(1), cancel);
        }
    }

    async Task Send(string type, Dictionary<string, object?> data)
    {
        data["type"] = type;
        await response.WriteAsync($"event: {type}\ndata: {JsonSerializer.Serialize(data)}\n\n", cancel);
        await response.Body.FlushAsync(cancel);
    }

    object Message(ScriptedReply reply, IEnumerable<object> content, string? stopReason, int outputTokens) =>
        new
        {
            id = Id("msg"),
            type = "message",
            role = "assistant",
            model = request.Model,
            content,
            stop_reason = stopReason,
            stop_sequence = (string?)null,
            usage = new
            {
                input_tokens = reply.InputTokens,
                output_tokens = outputTokens,
                cache_creation_input_tokens = 0,
                cache_read_input_tokens = 0,
            },
        };

    object Content(ReplyBlock block) =>
        block switch
        {
            ReplyBlock.ToolCall call => new
            {
                type = "tool_use",
                id = Id("toolu"),
                name = call.Name,
                input = call.Input,
            },
            _ => new { type = "text", text = Words(block) },
        };

    string Words(ReplyBlock block) =>
        block switch
        {
            ReplyBlock.ToolCall call => call.Input.GetRawText(),
            ReplyBlock.Text { Words: { } words } => words,
            _ => $"I have seen {request.Messages.Count(x => x.Role == "user")} user messages.",
        };

    // The API announces a block empty and fills it by deltas.
    static ReplyBlock Emptied(ReplyBlock block) =>
        block switch
        {
            ReplyBlock.ToolCall call => call with { Input = JsonElement.Parse("{}") },
            _ => new ReplyBlock.Text(""),
        };

    static object Delta(ReplyBlock block, string part) =>
        block switch
        {
            ReplyBlock.ToolCall => new { type = "input_json_delta", partial_json = part },
            _ => new { type = "text_delta", text = part },
        };

    static string StopReason(ScriptedReply reply) =>
        reply.StopReason ?? (reply.Blocks.Any(x => x is ReplyBlock.ToolCall) ? "tool_use" : "end_turn");

    // Never between the two halves of one character: each half has to be text by itself.
    static (string First, string Second) Halves(string text)
    {
        var middle = text.Length / 2;
        if (middle > 0 && char.IsHighSurrogate(text[middle - 1]))
            middle--;

        return (text[..middle], text[middle..]);
    }

    static string Id(string prefix) => $"{prefix}_{Guid.NewGuid():N}";
}
