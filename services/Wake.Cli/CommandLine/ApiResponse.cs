using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using System.Text.RegularExpressions;
using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary>What the API answered.</summary>
/// <param name="RequestUri">The address asked.</param>
/// <param name="Status">The status.</param>
/// <param name="MediaType">What the body is.</param>
/// <param name="Body">The body as it came.</param>
sealed partial record ApiResponse(Uri RequestUri, HttpStatusCode Status, string MediaType, byte[] Body)
{
    /// <summary>The header with links to other pages.</summary>
    public string Links { get; init; } = "";

    /// <summary>The cursor of the next page of a list; null when this is the last.</summary>
    public string? NextCursor =>
        NextPage().Match(Links) is { Success: true } link ? Uri.UnescapeDataString(link.Groups[1].Value) : null;

    public bool IsSuccess => (int)Status is >= 200 and < 300;

    /// <summary>What it refuses and why; null when it does not, or when it is not Wake that answers.</summary>
    public ApiProblem? Problem =>
        !IsSuccess && MediaType == "application/problem+json" ? ReadAs(CliJson.Default.ApiProblem) : null;

    /// <summary>Whether it says that what was asked about does not exist, rather than that the address does
    /// not.</summary>
    public bool IsNotFound => Status is HttpStatusCode.NotFound && Problem?.Detail is not null;

    /// <summary>Itself, if it is no refusal.</summary>
    /// <exception cref="CommandException">It is one.</exception>
    public ApiResponse EnsureSuccess() => IsSuccess ? this : throw ToException();

    /// <summary>The refusal in words.</summary>
    public CommandException ToException() =>
        new(
            Problem is { } problem
                ? problem.ToText(Status)
                : $"{RequestUri.GetLeftPart(UriPartial.Path)} answers {(int)Status} {Status}. Is that Wake?"
        );

    [GeneratedRegex("<[^>]*[?&]cursor=([^&>]+)[^>]*>; rel=\"next\"")]
    private static partial Regex NextPage();

    /// <summary>The body as a value.</summary>
    public T ReadAs<T>(JsonTypeInfo<T> type)
    {
        try
        {
            return JsonSerializer.Deserialize(Body, type) ?? throw new JsonException("It is null.");
        }
        catch (JsonException wrong)
        {
            throw new CommandException(
                $"{RequestUri.GetLeftPart(UriPartial.Path)} answers something this wake does not understand. "
                    + $"Is it of another version? {wrong.Message}"
            );
        }
    }
}

/// <summary>Problem details (RFC 9457) as the API writes them.</summary>
/// <param name="Title">What kind of problem.</param>
/// <param name="Detail">What is wrong and what to do.</param>
/// <param name="Errors">What is wrong with each field.</param>
/// <param name="Owner">The key of the session that has the Claude session asked for.</param>
sealed record ApiProblem(string? Title, string? Detail, Dictionary<string, string[]>? Errors, string? Owner)
{
    /// <summary>The detail, and below it a line for each thing that is wrong with a field.</summary>
    public string ToText(HttpStatusCode status)
    {
        string[] lines =
        [
            Detail ?? Title ?? $"{(int)status} {status}",
            .. (Errors ?? []).SelectMany(x => x.Value.Select(problem => $"  {x.Key}: {problem}")),
        ];
        return string.Join('\n', lines.Select(Output.Visible));
    }
}

/// <summary>The API's JSON, read without reflection because a command that starts fast is used more.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(ApiProblem))]
[JsonSerializable(typeof(IntakeResult))]
[JsonSerializable(typeof(IntakeResult[]))]
[JsonSerializable(typeof(SpoolResult))]
[JsonSerializable(typeof(Collisions))]
[JsonSerializable(typeof(Session))]
[JsonSerializable(typeof(Session[]))]
[JsonSerializable(typeof(ClosedSessions))]
[JsonSerializable(typeof(ResetResult))]
[JsonSerializable(typeof(AllowedCall[]))]
[JsonSerializable(typeof(EventSummary[]))]
[JsonSerializable(typeof(Breaker[]))]
[JsonSerializable(typeof(RunnerSummary[]))]
[JsonSerializable(typeof(TranscriptEntry[]))]
[JsonSerializable(typeof(Pause))]
[JsonSerializable(typeof(Pause[]))]
[JsonSerializable(typeof(NotificationTarget[]))]
[JsonSerializable(typeof(Notification))]
[JsonSerializable(typeof(Notification[]))]
[JsonSerializable(typeof(RedrivenNotifications))]
[JsonSerializable(typeof(Question))]
[JsonSerializable(typeof(Question[]))]
[JsonSerializable(typeof(Watch[]))]
[JsonSerializable(typeof(CreatedWatch))]
[JsonSerializable(typeof(Route))]
[JsonSerializable(typeof(Route[]))]
[JsonSerializable(typeof(DryRunResult))]
[JsonSerializable(typeof(DryRunResult[]))]
[JsonSerializable(typeof(EventExplanation))]
[JsonSerializable(typeof(SessionExplanation))]
[JsonSerializable(typeof(LedgerLine))]
[JsonSerializable(typeof(AuditFinding[]))]
[JsonSerializable(typeof(EffectiveSetting[]))]
[JsonSerializable(typeof(ListedDeadLetter[]))]
[JsonSerializable(typeof(ScheduledWake))]
[JsonSerializable(typeof(ScheduledWake[]))]
[JsonSerializable(typeof(ApiKey[]))]
[JsonSerializable(typeof(NewApiKey))]
[JsonSerializable(typeof(Invitation))]
[JsonSerializable(typeof(CheckResult[]))]
[JsonSerializable(typeof(ServiceState))]
[JsonSerializable(typeof(ServiceSteps))]
[JsonSerializable(typeof(PluginState))]
[JsonSerializable(typeof(PluginCopySettings))]
[JsonSerializable(typeof(InstalledPlugin[]))]
[JsonSerializable(typeof(Trace[]))]
[JsonSerializable(typeof(ReadyHealth))]
sealed partial class CliJson : JsonSerializerContext;

/// <summary>The bodies of requests. What is not said is left out, and the API decides.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(NewSession))]
[JsonSerializable(typeof(WakeRequest))]
[JsonSerializable(typeof(NewScheduledWake))]
[JsonSerializable(typeof(ResetRequest))]
[JsonSerializable(typeof(NewPause))]
[JsonSerializable(typeof(ReplayChanges))]
[JsonSerializable(typeof(NewWatch))]
[JsonSerializable(typeof(RouteDefinition))]
[JsonSerializable(typeof(NewAnswer))]
[JsonSerializable(typeof(NewKey))]
[JsonSerializable(typeof(Rotation))]
sealed partial class RequestJson : JsonSerializerContext;
