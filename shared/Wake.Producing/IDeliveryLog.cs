using System.Net;

namespace Wake.Producing;

/// <summary>Where deliveries are noted, so that people see what came and what was refused: in the store, where the
/// process has a database.</summary>
public interface IDeliveryLog
{
    /// <summary>Notes one. It does not wait.</summary>
    /// <param name="hook">The hook it came in by.</param>
    /// <param name="outcome">accepted, ignored or refused.</param>
    /// <param name="status">The HTTP status of one that was refused; null of any other.</param>
    /// <param name="reason">Why it was.</param>
    /// <param name="address">Where it came from.</param>
    void Note(string hook, string outcome, int? status = null, string? reason = null, IPAddress? address = null);
}
