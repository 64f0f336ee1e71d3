using Wake.Coordinator;
using Wake.ServiceDefaults;
using Wake.Store;

var builder = WebApplication.CreateBuilder(args);

builder.AddServiceDefaults();
builder.AddMigrations(typeof(Intake).Assembly);
builder.Services.AddStore();
builder.AddCoordinator();
builder.AddMessageBus(bus => bus.AddSessionWake());

var app = builder.Build();
app.MapHealth();
await app.RunAsync();
