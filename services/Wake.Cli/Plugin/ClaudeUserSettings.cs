using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Wake.Cli;

/// <summary>The user's <c>settings.json</c> of Claude Code, as far as the status line goes.</summary>
sealed class ClaudeUserSettings(string configFolder)
{
    // How often Claude Code asks for it while nothing else happens.
    const int RefreshSeconds = 5;

    static readonly JsonSerializerOptions AsClaudeWritesIt = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Its path.</summary>
    public string Path { get; } = System.IO.Path.Combine(configFolder, "settings.json");

    /// <summary>Whether the status line is this command.</summary>
    public bool HasStatusLine(string command) =>
        Read()?["statusLine"] is JsonObject line && line["command"] is JsonValue value && value.ToString() == command;

    /// <summary>Sets the status line. False: there is another, which stays.</summary>
    public bool AddStatusLine(string command)
    {
        var settings = Read() ?? [];
        if (settings.ContainsKey("statusLine"))
            return HasStatusLine(command);

        settings["statusLine"] = new JsonObject
        {
            ["type"] = "command",
            ["command"] = command,
            ["refreshInterval"] = RefreshSeconds,
        };
        Write(Path, settings);
        return true;
    }

    /// <summary>Takes the status line away if it is this command.</summary>
    public void RemoveStatusLine(string command)
    {
        if (!HasStatusLine(command))
            return;

        var settings = Read()!;
        settings.Remove("statusLine");
        Write(Path, settings);
    }

    /// <summary>Writes a file of settings, through a link if it is one.</summary>
    public static void Write(string path, JsonObject settings)
    {
        var file = File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
        var draft = $"{file}.wake";
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(file)!);
        if (File.Exists(file))
            File.Copy(file, draft, overwrite: true);
        File.WriteAllText(draft, settings.ToJsonString(AsClaudeWritesIt) + "\n");
        File.Move(draft, file, overwrite: true);
    }

    /// <summary>Reads a file of settings; null when it is not there.</summary>
    /// <exception cref="CommandException">It is no JSON, so nothing may be written to it.</exception>
    public static JsonObject? Read(string path)
    {
        try
        {
            return JsonNode.Parse(File.ReadAllText(path)) as JsonObject
                ?? throw new CommandException($"{path} is no JSON object. Mend it first.");
        }
        catch (Exception missing) when (missing is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (JsonException wrong)
        {
            throw new CommandException($"{path} is no JSON: {wrong.Message} Mend it first.");
        }
    }

    JsonObject? Read() => Read(Path);
}
