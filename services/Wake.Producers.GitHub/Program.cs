using Wake.Producers.GitHub;
using Wake.Producing;
using Wake.ServiceDefaults;

var builder = WebApplication.CreateBuilder(args);

builder.AddSecretFiles();
builder.AddTelemetry();
builder.AddPostgres();
builder.AddBrokerPublisher();
builder.AddGitHub();

var app = builder.Build();
app.UseWebhookReceiver();
app.MapHealth();
app.MapGitHub();
await app.RunAsync();
