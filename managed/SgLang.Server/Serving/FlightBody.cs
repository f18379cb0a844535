namespace SgLang.Server.Serving;

/// <summary>What /dump_flight_record is asked for; null is left to the server.</summary>
internal readonly record struct FlightBody(string? OutputDirectory, TimeSpan? Length, string? Id);
