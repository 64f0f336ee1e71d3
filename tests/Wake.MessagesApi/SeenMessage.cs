namespace Wake.Offline;

/// <summary>One message of a conversation, as the model would see it.</summary>
/// <param name="Role"><c>user</c>, <c>assistant</c>, or <c>system</c> for what the CLI says in
/// mid-conversation.</param>
/// <param name="Blocks">The content, in order.</param>
public sealed record SeenMessage(string Role, IReadOnlyList<SeenBlock> Blocks)
{
    /// <summary>All blocks' texts, one after the other.</summary>
    public string Text => string.Join('\n', Blocks.Select(x => x.Text));
}

/// <summary>One content block of a message.</summary>
/// <param name="Type"><c>text</c>, <c>tool_use</c>, <c>tool_result</c>, <c>image</c>, …</param>
/// <param name="Text">
/// The text itself; for a tool call the tool's name and its input as JSON; for a tool result what the tool printed.
/// Empty for what has no text.
/// </param>
/// <param name="IsError">A tool result that reports a failure.</param>
public sealed record SeenBlock(string Type, string Text, bool IsError = false);
