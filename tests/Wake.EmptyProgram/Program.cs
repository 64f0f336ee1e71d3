// What every program costs that is built as wake is: it ends at once or, told to serve, says where and waits.
if (args is not ["serve"])
    return;

var builder = WebApplication.CreateSlimBuilder();
builder.Logging.ClearProviders();
var app = builder.Build();
app.MapGet("/", () => Results.Ok());
app.Lifetime.ApplicationStarted.Register(() => Console.WriteLine($"ready {app.Urls.First()}"));
app.Run("http://127.0.0.1:0");
