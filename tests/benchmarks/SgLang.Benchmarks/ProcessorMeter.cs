using System.Diagnostics;

namespace SgLang.Benchmarks;

/// <summary>Processor time of this process since the meter was made.</summary>
internal sealed class ProcessorMeter
{
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly (TimeSpan User, TimeSpan System) _before = Now();

    /// <summary>Per event, and in cores; that of the readers beside it.</summary>
    public string Describe(StreamReadings readings)
    {
        (TimeSpan user, TimeSpan system) = Now();
        (user, system) = (user - _before.User, system - _before.System);
        double seconds = Stopwatch.GetElapsedTime(_start).TotalSeconds, events = Math.Max(1, readings.Events);
        return $"an event costs the server {user.TotalMicroseconds / events:F1} us and its kernel {system.TotalMicroseconds / events:F1} us, the readers {readings.Cpu.TotalMicroseconds / events:F1} us; "
            + $"{(user + system) / TimeSpan.FromSeconds(seconds):F2} and {readings.Cpu / TimeSpan.FromSeconds(seconds):F2} cores";
    }

    private static (TimeSpan User, TimeSpan System) Now()
    {
        using var process = Process.GetCurrentProcess();
        return (process.UserProcessorTime, process.PrivilegedProcessorTime);
    }
}
