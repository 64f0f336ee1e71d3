using System.Net;
using System.Text.Json;
using Wake.Store;

namespace Wake.Notifier;

/// <summary>A topic of ntfy: https://docs.ntfy.sh/publish/#publish-as-json</summary>
sealed class NtfySender(NotificationTarget target) : HttpSender
{
    // More than that ntfy makes an attachment, in bytes.
    const int MaxMessage = 4_000;
    const int MaxTitle = 250;

    const int High = 4,
        Default = 3;

    internal override async Task<SendResult> Send(ClaimedNotification message, CancellationToken cancel)
    {
        // As JSON and not in headers, which cannot hold every text.
        using var request = Request(HttpMethod.Post, target.Url!);
        request.Content = JsonContent.Create(
            new
            {
                topic = target.Topic,
                title = NotificationText.Cut(NotificationText.Title(message), MaxTitle),
                message = NotificationText.Cut(NotificationText.Body(message), MaxMessage),
                priority = message.Urgent ? High : Default,
            },
            options: JsonSerializerOptions.Web
        );
        return await Post(request, cancel);
    }

    public override async Task<string?> FindProblem(CancellationToken cancel)
    {
        if (await FindProblem(target.Url!, cancel) is { } unreachable)
            return unreachable;

        using var request = Request(HttpMethod.Get, new Uri(target.Url!, $"{target.Topic}/auth"));
        using var answer = await Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
        return answer.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden
            ? $"{target.Url!.Host} refuses the topic {target.Topic} (HTTP {(int)answer.StatusCode}); check Token"
            : null;
    }

    HttpRequestMessage Request(HttpMethod method, Uri url)
    {
        var request = new HttpRequestMessage(method, url);
        if (target.Token is { } token)
            request.Headers.Authorization = new("Bearer", token);
        return request;
    }
}
