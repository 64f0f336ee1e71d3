using Wake.Producers.Webhooks;
using Wake.Producing;
using Wake.ServiceDefaults;

var builder = WebApplication.CreateBuilder(args);

builder.AddSecretFiles();
builder.AddTelemetry();
builder.AddBrokerPublisher();
builder.AddWebhooks();

var app = builder.Build();
app.UseWebhookReceiver();
app.MapHealth();
app.MapWebhooks();
await app.RunAsync();
