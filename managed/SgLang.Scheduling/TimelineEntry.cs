namespace SgLang.Scheduling;

/// <param name="Time">Time stamp of the scheduler's TimeProvider.</param>
/// <param name="Step">The step it belongs to; 0 where there is none.</param>
/// <param name="Tokens">See <see cref="RequestEvent"/>.</param>
/// <param name="Duration">In ticks of the TimeProvider; 0 where there is none.</param>
public readonly record struct TimelineEntry(RequestEvent Event, long Time, long Step, int Tokens, long Duration);
