using System.ComponentModel.DataAnnotations;
using System.Text;

namespace Wake.Gateway;

/// <summary>Doors for programs of the same machine and user. Environment: <c>Local__…</c>.</summary>
public sealed class LocalOptions : IValidatableObject
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Local";

    /// <summary>The longest path of a socket, in bytes, that Linux and macOS both take.</summary>
    public const int MaxSocketPath = 103;

    /// <summary>The folder to drop events in as files; null for none. <c>wake up</c> has one in its data
    /// folder.</summary>
    public string? Spool { get; init; }

    /// <summary>The Unix socket to listen on; null for none. <c>wake up</c> has one in its data folder.</summary>
    public string? Socket { get; init; }

    /// <inheritdoc />
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Spool is { Length: > 0 } && !Path.IsPathRooted(Spool))
            yield return new("Local:Spool must be an absolute path.", [nameof(Spool)]);

        if (
            Socket is { Length: > 0 }
            && (!Path.IsPathRooted(Socket) || Encoding.UTF8.GetByteCount(Socket) > MaxSocketPath)
        )
            yield return new(
                $"Local:Socket must be an absolute path of at most {MaxSocketPath} bytes.",
                [nameof(Socket)]
            );
    }
}
