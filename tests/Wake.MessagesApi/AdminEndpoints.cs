using System.Text.Json;

namespace Wake.Offline;

/// <summary>The way to script and watch a stand-in that runs in another process.</summary>
static class AdminEndpoints
{
    public static void MapAdmin(this IEndpointRouteBuilder routes, MessagesApi api)
    {
        var admin = routes.MapGroup("/_admin");

        admin.MapPost(
            "/queue",
            http => Do(http, body => api.Queue([.. body.Items("replies").Select(x => x.GetString() ?? "")]))
        );
        admin.MapPost("/mode", http => Do(http, body => api.Always(body.Text("all"))));
        admin.MapPost("/release", http => Do(http, body => api.Release(body.Text("name"))));
        admin.MapPost("/reset", http => Do(http, _ => api.Reset()));

        admin.MapGet("/log", () => api.Everything.Select(x => LogRow.For(x)));
        admin.MapGet("/last", () => api.LastBody);
        admin.MapGet(
            "/stats",
            () => new { messages = api.Requests.Count, inflight = api.Requests.Count(x => !x.Ending.IsCompleted) }
        );
    }

    // Reads the body itself, because `curl -d` does not say that it sends JSON.
    static async Task Do(HttpContext http, Action<JsonElement> order)
    {
        using var text = new StreamReader(http.Request.Body);
        var body = await text.ReadToEndAsync(http.RequestAborted);

        try
        {
            order(body == "" ? default : JsonElement.Parse(body));
        }
        catch (Exception slip) when (slip is JsonException or FormatException or InvalidOperationException)
        {
            // Not JSON, not a script, or not a text: the one who sent it is who should hear of it.
            http.Response.StatusCode = StatusCodes.Status400BadRequest;
            await http.Response.WriteAsJsonAsync(new { ok = false, error = slip.Message }, http.RequestAborted);
            return;
        }

        await http.Response.WriteAsJsonAsync(new { ok = true }, http.RequestAborted);
    }
}
