using Wake.Gateway;
using Wake.ServiceDefaults;
using Wake.Store;

var builder = WebApplication.CreateBuilder(args);

builder.AddServiceDefaults();
builder.AddMigrations(typeof(Intake).Assembly);
builder.Services.AddStore();
builder.AddGateway();
builder.AddLocalIngress();

var app = builder.Build();
app.MapHealth();
app.MapGateway();
await app.RunAsync();
