using System.Net;
using Wake.Contracts.Http;

namespace Wake.Terminal;

/// <summary>
/// A wake whose acknowledgement Wake has confirmed a moment ago. Its prompt passes without being asked about again: for
/// that moment the turn is nobody else's, and the session reads it sooner. Wake is told afterwards, and before anything
/// else that happens in the session.
/// </summary>
sealed class AdmittedWake(ClaudeProcess claude, Guid session)
{
    // Well below what is left of the turn's lease, which is 30 s from its claim, and below the 20 s after which Wake
    // gives up a wake that was not begun.
    static readonly TimeSpan Validity = TimeSpan.FromSeconds(5);

    readonly string admitted = TerminalFiles.OfTerminal(claude.Id, session, TerminalFiles.Admitted),
        begun = TerminalFiles.OfTerminal(claude.Id, session, TerminalFiles.Begun);

    /// <summary>Admits it, immediately before the session is woken.</summary>
    /// <param name="text">What the session reads.</param>
    /// <param name="asked">When Wake was asked whose the turn is.</param>
    public void Admit(string text, DateTime asked)
    {
        if (ReadMessage.TagOf(text) is not { } tag)
            return;

        try
        {
            File.WriteAllText(admitted, tag);
            File.SetLastWriteTimeUtc(admitted, asked);
        }
        catch (Exception full) when (full is IOException or UnauthorizedAccessException)
        {
            // Then Wake is asked.
        }
    }

    /// <summary>Whether a prompt is that wake and passes. Once.</summary>
    public bool Begin(string prompt)
    {
        try
        {
            // A clock that was set back proves nothing.
            var age = DateTime.UtcNow - File.GetLastWriteTimeUtc(admitted);
            if (
                age < TimeSpan.Zero
                || age > Validity
                || ReadMessage.TagOf(prompt) is not { } tag
                || File.ReadAllText(admitted) != tag
            )
                return false;

            File.Move(admitted, begun, overwrite: true);
            return true;
        }
        catch (Exception other) when (other is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Something else happens in the session first: then Wake is asked.</summary>
    public void Revoke() => Delete(admitted);

    /// <summary>Tells Wake that the session reads it, unless that was told. False: Wake does not answer.</summary>
    public async Task<bool> TellBegun(TerminalClient client, TimeSpan timeout, CancellationToken cancel)
    {
        if (ReadTag() is not { } tag)
            return true;

        var status = await client.Post(
            "hooks",
            new TerminalHook(claude.Name, claude.Id, ClaudeProcess.Host, HookInput.UserPromptSubmit, null)
            {
                Prompt = $"<{tag}",
            },
            TerminalJson.Default.TerminalHook,
            timeout,
            cancel
        );
        // Refused because of the credential or the load it was not heard: both may be another one at the next attempt.
        if (
            status
            is null
                or HttpStatusCode.Unauthorized
                or HttpStatusCode.TooManyRequests
                or >= HttpStatusCode.InternalServerError
        )
            return false;

        // The next one may have begun meanwhile.
        if (ReadTag() == tag)
            Delete(begun);
        return true;
    }

    string? ReadTag()
    {
        try
        {
            return File.Exists(begun) ? File.ReadAllText(begun) : null;
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    static void Delete(string file)
    {
        try
        {
            File.Delete(file);
        }
        catch (Exception kept) when (kept is IOException or UnauthorizedAccessException)
        {
            // Nobody has ever waited here, or the disk is read-only.
        }
    }
}
