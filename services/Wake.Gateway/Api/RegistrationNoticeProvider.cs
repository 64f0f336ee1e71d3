using Wake.Store;

namespace Wake.Gateway;

/// <summary>
/// What whoever registers a session should know about its workspace. Only where the gateway and the runner are on one
/// machine.
/// </summary>
/// <param name="GetNotice">About a session and the Claude session that its owner had begun, if they had; null when
/// there is nothing to say.</param>
public sealed record RegistrationNoticeProvider(Func<Session, Guid?, string?> GetNotice);
