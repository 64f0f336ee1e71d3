using System.Text.Json;

namespace Wake.Offline;

/// <summary>Takes one request to the model from beginning to end: read it, show it, decide, wait, reply.</summary>
sealed class MessagesEndpoint(SeenRequests seen, ReplyScript script, HeldReplies holds, CancellationToken stopping)
{
    public async Task Answer(HttpContext http)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, stopping);
        var cancel = either.Token;

        var (body, refusal) = await Read(http.Request, cancel);
        var request = RequestParser.Messages(http.Request, body);
        seen.Add(request, body);

        http.Response.Headers["request-id"] = $"req_{Guid.NewGuid():N}";

        var ending = RequestEnding.Failed;
        try
        {
            ending = await Reply(http, request, refusal ?? Decide(request), cancel);
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // Tests bring both about on purpose: the client was killed, or the stand-in is being stopped.
            ending = stopping.IsCancellationRequested ? RequestEnding.Stopped : RequestEnding.ClientGone;
        }
        finally
        {
            seen.End(request, ending);
        }

        if (ending is RequestEnding.Stopped or RequestEnding.Dropped)
            http.Abort();
    }

    async Task<RequestEnding> Reply(
        HttpContext http,
        SeenRequest request,
        ScriptedReply script,
        CancellationToken cancel
    )
    {
        await Task.Delay(script.Delay, cancel);
        if (script.Hold is { } hold)
            await holds.Wait(hold, cancel);

        var reply = new ReplyWriter(http.Response, request, cancel);

        if (script.Failure is { } failure && request.Attempt <= failure.Attempts)
        {
            seen.Answer(request, failure.Status);
            await reply.Fail(failure);
            return RequestEnding.Failed;
        }

        if (request.Attempt <= script.Drops)
            return RequestEnding.Dropped;

        seen.Answer(request, StatusCodes.Status200OK);

        if (request.Streams)
            return await reply.WriteStream(script, cutOff: request.Attempt <= script.Truncations);

        await reply.WriteWhole(script);
        return RequestEnding.Replied;
    }

    ScriptedReply Decide(SeenRequest request)
    {
        if (!request.IsConversation)
            return ScriptedReply.Saying("""{"title": "A session"}""");

        try
        {
            return script.Next() ?? ScriptedReply.From(Conversation.Script(request.Messages));
        }
        catch (FormatException unreadable)
        {
            // A slip in the prompt's own script. As a 400 it reaches the one who wrote it, at once and in words.
            return ScriptedReply.Refusing(StatusCodes.Status400BadRequest, unreadable.Message);
        }
    }

    static async Task<(JsonElement Body, ScriptedReply? Refusal)> Read(HttpRequest request, CancellationToken cancel)
    {
        try
        {
            return (await JsonSerializer.DeserializeAsync<JsonElement>(request.Body, cancellationToken: cancel), null);
        }
        catch (JsonException broken)
        {
            return (default, ScriptedReply.Refusing(StatusCodes.Status400BadRequest, broken.Message));
        }
        catch (BadHttpRequestException refused)
        {
            // Kestrel's word for a body that is too large, or that stopped in the middle.
            return (default, ScriptedReply.Refusing(refused.StatusCode, refused.Message));
        }
    }
}
