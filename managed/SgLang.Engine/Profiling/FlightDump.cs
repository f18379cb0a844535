namespace SgLang.Engine;

/// <summary>What was written of the flight recorder.</summary>
/// <param name="Files">One for each rank.</param>
/// <param name="Duration">From the oldest span to the dump.</param>
public sealed record FlightDump(string Id, string OutputDirectory, IReadOnlyList<string> Files, string Reason, long FirstStep, long LastStep, long NumSteps, TimeSpan Duration);
