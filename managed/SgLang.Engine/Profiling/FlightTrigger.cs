namespace SgLang.Engine;

/// <summary>Why the flight recorder is written out without being asked for it.</summary>
internal enum FlightTrigger : byte
{
    /// <summary>A decode step took many times the median.</summary>
    SlowStep,

    /// <summary>A request waited too long for its first token.</summary>
    FirstToken,

    /// <summary>No step has ended for long.</summary>
    Stall,
}
