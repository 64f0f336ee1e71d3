using System.Text.Json;
using System.Text.Json.Nodes;
using MassTransit;
using Wake.Contracts;

namespace Wake.Tests.HouseRules;

/// <summary>
/// Each message's name on the wire and its JSON are pinned: services of two versions run side by side during an
/// upgrade, and programs in other languages rely on them. A deliberate change is made in <c>messages.json</c> as well,
/// and only adds.
/// </summary>
public sealed class MessageShapes
{
    static readonly Guid Id = Guid.Parse("0198c2f0-0000-7000-8000-000000000001");

    static readonly object[] Messages =
    [
        new WakeDue(Id),
        new ResumeSession(Id, "implementer@github:octo-org/hello#972", 7, Urgent: true),
        new TurnEnded(Id, 7, TurnOutcome.LimitReached),
    ];

    static readonly ExternalEventObserved Observed = new()
    {
        Id = "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        Source = "github:webhook",
        Type = "github.pull_request.merged",
        Subject = "github:octo-org/hello#972",
        Related = ["github:octo-org/hello@main"],
        DedupKey = "github.pull_request.merged|github:octo-org/hello#972",
        Reason = "PR #972 merged",
        Delivery = Delivery.Ambient,
        Urgent = true,
        Sessions = ["implementer@github:octo-org/hello#972"],
        Actor = "octocat",
        Time = new(2026, 11, 20, 10, 0, 0, TimeSpan.Zero),
        Expires = new(2026, 11, 27, 10, 0, 0, TimeSpan.Zero),
        Data = JsonElement.Parse("""{"number":972}"""),
    };

    [Fact]
    public void Are_what_they_were()
    {
        var shapes = new JsonObject
        {
            [MessageUrn.ForTypeString<ExternalEventObserved>()] = JsonNode.Parse(EventJson.Serialize(Observed)),
        };
        foreach (var message in Messages)
            shapes[MessageUrn.ForTypeString(message.GetType())] = JsonSerializer.SerializeToNode(
                message,
                message.GetType(),
                JsonSerializerOptions.Web
            );

        var pinned = JsonNode.Parse(
            File.ReadAllText(Path.Combine(Repository.Root, "tests/Wake.Tests/HouseRules/messages.json"))
        )!;
        Assert.Equal(Text(pinned), Text(shapes));
    }

    [Fact]
    public void Every_message_is_pinned() =>
        Assert.Equal(
            typeof(ResumeSession)
                .Assembly.GetTypes()
                .Where(x =>
                    x is { Namespace: "Wake.Contracts", IsClass: true, IsAbstract: false }
                    && x.GetMethod("<Clone>$") is not null
                )
                .Select(x => x.Name)
                .Order(),
            Messages.Append(Observed).Select(x => x.GetType().Name).Order()
        );

    // The package Wake.Contracts is for those who publish. What they could send besides would be an order to a service.
    [Fact]
    public void Only_the_event_is_for_others() =>
        Assert.Equal(
            [typeof(ExternalEventObserved)],
            Messages.Append(Observed).Select(x => x.GetType()).Where(x => x.IsPublic)
        );

    [Fact]
    public void The_event_reads_back_as_it_was_written()
    {
        Assert.True(EventJson.TryParse(EventJson.Serialize(Observed), out var read, out _));
        Assert.Equal(EventJson.Serialize(Observed), EventJson.Serialize(read));
    }

    static string Text(JsonNode node) => node.ToJsonString(new() { WriteIndented = true });
}
