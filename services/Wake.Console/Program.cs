using Wake.ServiceDefaults;
using Wake.WebConsole;

var builder = WebApplication.CreateBuilder(args);

builder.AddSecretFiles();
builder.AddTelemetry();
builder.AddConsole();
builder.AddGatewayHealth();

var app = builder.Build();
app.MapHealth();
app.UseConsole();
await app.RunAsync();
