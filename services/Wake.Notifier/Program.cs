using Wake.Notifier;
using Wake.ServiceDefaults;
using Wake.Store;

var builder = WebApplication.CreateBuilder(args);

builder.AddServiceDefaults();
builder.AddMigrations(typeof(NotificationOutbox).Assembly);
builder.Services.AddStore();
builder.AddNotifier();

var app = builder.Build();
app.MapHealth();
await app.RunAsync();
