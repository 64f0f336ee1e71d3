using Wake.Producers.Cron;
using Wake.Producing;
using Wake.ServiceDefaults;

var builder = WebApplication.CreateBuilder(args);

builder.AddServiceDefaults();
builder.AddBrokerPublisher();
builder.AddCron();

var app = builder.Build();
app.MapHealth();
await app.RunAsync();
