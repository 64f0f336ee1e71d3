using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Wake.Contracts.Http;

namespace Wake.Terminal;

/// <summary>What is read and written as JSON, compiled: nothing is looked up at run time.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(HookInput))]
[JsonSerializable(typeof(HookOutput))]
[JsonSerializable(typeof(PluginSettings))]
[JsonSerializable(typeof(EndpointFile))]
[JsonSerializable(typeof(ClaudeSessionFile))]
[JsonSerializable(typeof(StatusInput))]
[JsonSerializable(typeof(TerminalHook))]
[JsonSerializable(typeof(TerminalHookAnswer))]
[JsonSerializable(typeof(TerminalWait))]
[JsonSerializable(typeof(TerminalLine))]
[JsonSerializable(typeof(TerminalAcknowledgement))]
[JsonSerializable(typeof(TerminalState))]
[JsonSerializable(typeof(StoredTranscriptFile[]))]
sealed partial class TerminalJson : JsonSerializerContext
{
    /// <summary>For what a person or a model reads: umlauts and dashes stay as they are.</summary>
    public static TerminalJson Readable { get; } =
        new(
            new JsonSerializerOptions(JsonSerializerDefaults.Web)
            {
                Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
            }
        );
}
