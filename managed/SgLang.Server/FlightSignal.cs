using System.Runtime.InteropServices;
using SgLang.Engine;

namespace SgLang.Server;

/// <summary>SIGUSR1 writes out the flight recorder, for whoever has a shell but no key.</summary>
internal sealed class FlightSignal : IDisposable
{
    /// <summary>SIGUSR1 of Linux, whose number .NET takes as it is.</summary>
    private const PosixSignal UserSignal = (PosixSignal)10;

    private readonly PosixSignalRegistration _registration;

    private FlightSignal(FlightDumper flight)
    {
        _registration = PosixSignalRegistration.Create(UserSignal, context =>
        {
            // Else the signal's default follows, which ends the process.
            context.Cancel = true;
            if (flight.IsOn) flight.TryDump("asked for by SIGUSR1");
        });
    }

    /// <summary>Null where there is no such signal.</summary>
    public static FlightSignal? Register(FlightDumper flight) => OperatingSystem.IsLinux() ? new FlightSignal(flight) : null;

    public void Dispose() => _registration.Dispose();
}
