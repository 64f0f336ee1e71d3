using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Unicode;

namespace Wake.Contracts;

/// <summary>An event as JSON: how the contract looks on the wire, at the HTTP door and in files.</summary>
public static class EventJson
{
    /// <summary>Camel case, enums as camel-case words, unknown members ignored (and told) so that contracts may
    /// grow.</summary>
    public static JsonSerializerOptions Options => EventJsonContext.Default.Options;

    /// <summary>Reads one event; otherwise says in one sentence why it is none.</summary>
    public static bool TryParse(
        ReadOnlySpan<byte> json,
        [NotNullWhen(true)] out ExternalEventObserved? observed,
        [NotNullWhen(false)] out string? problem
    )
    {
        (observed, problem) = (null, null);
        json = ByteOrderMark.Skip(json);

        if (json.Length > EventLimits.MaxBytes)
        {
            problem = $"The event has {json.Length} bytes; {EventLimits.MaxBytes} are allowed.";
            return false;
        }

        // What is kept as it came is read by nobody here.
        if (!Utf8.IsValid(json))
        {
            problem = "Not an event: the JSON is not UTF-8.";
            return false;
        }

        try
        {
            observed = TolerantEventReader.Read(json);
        }
        catch (JsonException wrong)
        {
            problem = $"Not an event: {DescribeError(wrong)}";
            return false;
        }

        if (observed is null)
        {
            problem = "Not an event: the JSON is null.";
            return false;
        }

        if (EventValidation.Problems(observed) is { Count: > 0 } problems)
        {
            problem = string.Join(" ", problems.Select(x => $"{x.Field} {x.Problem}"));
            observed = null;
            return false;
        }

        return true;
    }

    /// <summary>Writes one event as UTF-8.</summary>
    public static byte[] Serialize(ExternalEventObserved observed) =>
        JsonSerializer.SerializeToUtf8Bytes(observed, EventWriterContext.Default.ExternalEventObserved);

    /// <summary>What System.Text.Json found, told by the JSON's own words: callers do not know our C# types.</summary>
    public static string DescribeError(JsonException wrong)
    {
        const string missing = "was missing required properties including: ",
            wrongKind = "could not be converted to ";

        var text = wrong.Message;
        if (text.IndexOf(missing, StringComparison.Ordinal) is var at and >= 0)
            text = $"required members are missing: {text[(at + missing.Length)..]}";
        else if (text.Contains(wrongKind, StringComparison.Ordinal))
            text = "a value is of the wrong kind.";

        var tail = text.IndexOf(" Path: ", StringComparison.Ordinal);
        return (tail < 0 ? text : text[..tail]) + (wrong.Path is { Length: > 1 } path ? $" (at {path})" : "");
    }
}

/// <summary>Source-generated, because the AMQP front of the intake reads tens of thousands a second.</summary>
[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web,
    PropertyNameCaseInsensitive = false,
    NumberHandling = JsonNumberHandling.Strict,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull
)]
[JsonSerializable(typeof(ExternalEventObserved))]
[JsonSerializable(typeof(IReadOnlyList<ExternalEventObserved>))]
sealed partial class EventJsonContext : JsonSerializerContext;

/// <summary>The same for who only writes: without what reading needs to know of each member, a command that publishes
/// one event starts sooner.</summary>
[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web,
    GenerationMode = JsonSourceGenerationMode.Serialization,
    PropertyNameCaseInsensitive = false,
    NumberHandling = JsonNumberHandling.Strict,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull
)]
[JsonSerializable(typeof(ExternalEventObserved))]
sealed partial class EventWriterContext : JsonSerializerContext;
