using Wake.Terminal;

// A hook that ends with another code than 0 disturbs the person, and one that ends with 2 wakes the model: whatever
// goes wrong here ends with 0 and says nothing.
try
{
    return args switch
    {
        ["hook"] => await HookCommand.Run(),
        ["wait"] => await WaitCommand.Run(),
        ["statusline"] => StatusLineCommand.Run(),
        ["--version"] => Version(),
        _ => 0,
    };
}
catch (Exception)
{
    return 0;
}

static int Version()
{
    Console.Out.WriteLine(typeof(HookCommand).Assembly.GetName().Version?.ToString(3));
    return 0;
}
