using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Text.Json;
using Quartz;
using Wake.Contracts;

namespace Wake.Producers.Cron;

/// <summary>The schedules of the configuration, by name: <c>Cron__NAME__Expression</c> and so on.</summary>
public sealed class CronOptions : Dictionary<string, CronSchedule>, IValidatableObject
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Cron";

    /// <inheritdoc />
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext) =>
        from schedule in this
        from problem in schedule.Value.Problems(schedule.Key)
        select new ValidationResult($"{Section}:{schedule.Key}: {problem}");
}

/// <summary>When to say what to whom.</summary>
public sealed class CronSchedule
{
    /// <summary>The type of its events.</summary>
    public const string Type = "cron.fired";

    /// <summary>
    /// When: five fields as in a crontab (<c>30 4 * * 1</c>), or six or seven as Quartz reads them, the seconds first
    /// (<c>0 30 4 ? * MON</c>), or a word like <c>@daily</c>.
    /// </summary>
    public string Expression { get; init; } = "";

    /// <summary>
    /// Whose clock the expression means: <c>Europe/Berlin</c>. A time that the change to summer time leaves out fires
    /// when the clock has jumped; one that the change back repeats fires once, at the first of the two. That is for
    /// times: what recurs within the day, by a <c>*</c>, a range or a step in the hours, minutes or seconds, goes by
    /// the hours as they pass, as cron has it.
    /// </summary>
    public string TimeZone { get; init; } = "UTC";

    /// <summary>Keys of sessions that it wakes.</summary>
    public IReadOnlyList<string>? Sessions { get; init; }

    /// <summary>What it is about, for those who watch that; null for <c>cron:NAME</c>.</summary>
    public string? Subject { get; init; }

    /// <summary>The sentence for the session that wakes.</summary>
    public string Reason { get; init; } = "";

    /// <summary>What becomes of times at which nobody was there to fire.</summary>
    public CatchUp CatchUp { get; init; } = CatchUp.Skip;

    /// <summary>The event of one fire time. Every replica makes the same.</summary>
    internal ExternalEventObserved CreateEvent(string name, DateTimeOffset time)
    {
        var moment = time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        return new()
        {
            Id = $"{name}@{moment}",
            Source = $"cron:{name}",
            VerifiedBy = "cron",
            Type = Type,
            Subject = Subject ?? $"cron:{name}",
            DedupKey = $"{Type}|{name}|{moment}",
            Reason = Reason,
            Sessions = Sessions is { Count: > 0 } ? Sessions : null,
            Time = time,
            Data = JsonSerializer.SerializeToElement(
                new { schedule = name, time = TimeZoneInfo.ConvertTime(time, FindTimeZone()) }
            ),
        };
    }

    /// <summary>The times it means.</summary>
    internal CronExpression ParseExpression()
    {
        var fields = Expression.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length;
        return CronExpression
            .Parse(Expression, fields == 5 ? CronFormat.Unix : CronFormat.Quartz)
            .WithTimeZone(FindTimeZone());
    }

    /// <summary>What is wrong with it, in sentences.</summary>
    internal IEnumerable<string> Problems(string name)
    {
        if (!TimeZoneInfo.TryFindSystemTimeZoneById(TimeZone, out _))
            return [$"TimeZone: this machine knows none called {TimeZone}."];

        try
        {
            if (ParseExpression().GetNextValidTimeAfter(DateTimeOffset.UnixEpoch) is null)
                return ["Expression never fires."];
        }
        catch (FormatException wrong)
        {
            return [$"Expression: {wrong.Message}"];
        }

        return EventValidation
            .Problems(CreateEvent(name, DateTimeOffset.UnixEpoch))
            .Select(x => $"{x.Field} {x.Problem}");
    }

    TimeZoneInfo FindTimeZone() => TimeZoneInfo.FindSystemTimeZoneById(TimeZone);
}

/// <summary>What becomes of fire times that were missed by more than a minute.</summary>
public enum CatchUp
{
    /// <summary>Nothing.</summary>
    Skip,

    /// <summary>The last of them fires, unless another is due in time.</summary>
    One,

    /// <summary>Each of them fires, up to a hundred, the newest ones.</summary>
    All,
}
