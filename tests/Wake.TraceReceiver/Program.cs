using Wake.Traces;

// Stands in for an OpenTelemetry collector that writes traces to a file, where none can be had: takes OTLP over HTTP,
// in protobuf or JSON, and appends every request's spans as a line of OTLP's JSON to the file that is named. Metrics
// and logs are taken and forgotten.
if (args is not [var file])
{
    Console.Error.WriteLine("Usage: Wake.TraceReceiver FILE");
    return 2;
}

var builder = WebApplication.CreateSlimBuilder();
builder.Logging.SetMinimumLevel(LogLevel.Warning);
var app = builder.Build();
var writing = new SemaphoreSlim(1);

app.MapPost(
    "/v1/traces",
    async (HttpContext http) =>
    {
        using var body = new MemoryStream();
        await http.Request.Body.CopyToAsync(body, http.RequestAborted);

        var line = http.Request.HasJsonContentType()
            ? System.Text.Json.Nodes.JsonNode.Parse(body.ToArray())!.ToJsonString()
            : OtlpTraces.ToJson(body.ToArray()).ToJsonString();

        await writing.WaitAsync(http.RequestAborted);
        try
        {
            await File.AppendAllTextAsync(file, $"{line}\n", CancellationToken.None);
        }
        finally
        {
            writing.Release();
        }
    }
);
app.MapPost(
    "/v1/{other}",
    async (HttpContext http) => await http.Request.Body.CopyToAsync(Stream.Null, http.RequestAborted)
);
app.MapGet("/health/ready", () => "ready");

await app.RunAsync();
return 0;
