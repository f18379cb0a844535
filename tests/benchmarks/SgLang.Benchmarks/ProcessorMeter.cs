using System.Diagnostics;

namespace SgLang.Benchmarks;

/// <summary>Processor time of this process between two moments of a load. Any thread starts and stops it; read it afterwards.</summary>
internal sealed class ProcessorMeter
{
    private (TimeSpan User, TimeSpan System, long At) _start, _end;

    public void Start() => _start = Now();

    public void Stop() => _end = Now();

    /// <summary>Per event, and in cores.</summary>
    /// <param name="events">Written between the two moments.</param>
    public string Describe(long events)
    {
        (TimeSpan user, TimeSpan system) = (_end.User - _start.User, _end.System - _start.System);
        TimeSpan elapsed = Stopwatch.GetElapsedTime(_start.At, _end.At);
        return $"an event costs the server {user.TotalMicroseconds / events:F1} us and its kernel {system.TotalMicroseconds / events:F1} us, {(user + system) / elapsed:F2} cores";
    }

    private static (TimeSpan User, TimeSpan System, long At) Now()
    {
        using var process = Process.GetCurrentProcess();
        return (process.UserProcessorTime, process.PrivilegedProcessorTime, Stopwatch.GetTimestamp());
    }
}
