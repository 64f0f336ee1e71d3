using System.Net;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Components.Authorization;
using Wake.Contracts.Http;

namespace Wake.WebConsole;

/// <summary>
/// The HTTP API as the person at one browser may use it. What is not allowed the API refuses with a sentence, which the
/// page shows.
/// </summary>
public sealed class GatewayClient(
    GatewayConnection connection,
    AuthenticationStateProvider authentication,
    TimeProvider time
)
{
    ConsoleSession? session;

    /// <summary>Who is at this browser.</summary>
    /// <exception cref="ApiException">They have signed out, or their time is over.</exception>
    public async Task<ConsoleSession> GetSession()
    {
        session ??= (await authentication.GetAuthenticationStateAsync()).User.Identity is ConsoleIdentity known
            ? known.Session
            : null;
        return session is { IsEnded: false } && session.Ends > time.GetUtcNow()
            ? session
            : throw new ApiException("You are signed out.", HttpStatusCode.Unauthorized);
    }

    /// <summary>Makes a call whose answer is a value.</summary>
    /// <exception cref="ApiException">It was refused, or there was no answer.</exception>
    public async Task<T> Send<T>(ApiCall call, CancellationToken cancel)
    {
        var current = await GetSession();
        return await EndingSession(current, () => connection.Send<T>(call, current.Credential, cancel));
    }

    /// <summary>Makes a call whose answer says nothing.</summary>
    /// <exception cref="ApiException">It was refused, or there was no answer.</exception>
    public async Task Send(ApiCall call, CancellationToken cancel)
    {
        var current = await GetSession();
        await EndingSession(current, () => connection.Send(call, current.Credential, cancel));
    }

    /// <summary>Reads one page of a list.</summary>
    /// <exception cref="ApiException">It was refused, or there was no answer.</exception>
    public async Task<Page<T>> GetPage<T>(ApiCall call, CancellationToken cancel)
    {
        var current = await GetSession();
        return await EndingSession(current, () => connection.SendForPage<T>(call, current.Credential, cancel));
    }

    /// <summary>Follows a stream of server-sent events, until the API ends it, or the log-in is over.</summary>
    /// <param name="path">Which.</param>
    /// <param name="after">The id of the last event that is known; null to begin where the stream begins.</param>
    /// <param name="cancel">Ends it.</param>
    /// <exception cref="ApiException">It was refused, or there was no answer.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled, the log-in is over, or it was silent.</exception>
    public async IAsyncEnumerable<SseItem<string>> Follow(
        string path,
        string? after,
        [EnumeratorCancellation] CancellationToken cancel
    )
    {
        var current = await GetSession();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, current.Ended);
        await using var stream = await EndingSession(
            current,
            () => connection.OpenEventStream(path, current.Credential, after, either.Token)
        );
        await foreach (var item in stream.Read(either.Token))
            yield return item;
    }

    /// <summary>Reads a value that need not be there; null when it is not.</summary>
    /// <exception cref="ApiException">It was refused, or there was no answer.</exception>
    public async Task<T?> Find<T>(ApiCall call, CancellationToken cancel)
        where T : class
    {
        try
        {
            return await Send<T>(call, cancel);
        }
        catch (ApiException refused) when (refused.Status is HttpStatusCode.NotFound)
        {
            return null;
        }
    }

    // A key that was revoked ends what was logged in by it.
    static async Task<T> EndingSession<T>(ConsoleSession session, Func<Task<T>> call)
    {
        try
        {
            return await call();
        }
        catch (ApiException refused) when (refused.Status is HttpStatusCode.Unauthorized)
        {
            session.End();
            throw;
        }
    }
}

/// <summary>The calls that more than one page makes.</summary>
public static class Calls
{
    /// <summary>The path of a session in the API.</summary>
    public static string Session(string key, string below = "") => $"/v1/sessions/{Uri.EscapeDataString(key)}{below}";

    /// <summary>Wakes a session for a reason of one's own, which ends a park as well.</summary>
    public static ApiCall Wake(string key, string reason) =>
        ApiCall.Post(Session(key, "/wake"), new WakeRequest(reason, null));

    /// <summary>Answers a question.</summary>
    public static ApiCall Answer(Guid question, NewAnswer answer) =>
        ApiCall.Post($"/v1/questions/{question}/answer", answer);

    /// <summary>Ends a pause, also that of a breaker.</summary>
    public static ApiCall EndPause(Guid pause) => ApiCall.Delete($"/v1/pauses/{pause}");
}
