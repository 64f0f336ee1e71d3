using Wake.Runner;
using Wake.ServiceDefaults;
using Wake.Store;

if (WatchdogProcess.IsRequested(args))
    return await WatchdogProcess.RunWatchdog(args);

ProcessHardening.Apply();
var builder = WebApplication.CreateBuilder(args);

builder.AddServiceDefaults();
builder.AddMigrations(typeof(Intake).Assembly);
builder.Services.AddStore();
builder.AddRunner();
builder.AddMessageBus(bus => bus.AddResumeSession());
builder.AddRunnerSlots();

var app = builder.Build();
app.MapHealth();
await app.RunAsync();
return 0;
