using System.Diagnostics;
using System.Runtime.InteropServices;

namespace SgLang.Interop;

/// <summary>Sleeping to microseconds. The platform's own sleep knows milliseconds only.</summary>
public static unsafe partial class PreciseSleep
{
    private const int Monotonic = 1;
    private const int Absolute = 1;
    private const int Interrupted = 4;
    private const long NanosecondsPerSecond = 1_000_000_000;

    /// <summary>Whether this system sleeps so; elsewhere a sleep may end up to some milliseconds late.</summary>
    private static readonly bool s_isPrecise = OperatingSystem.IsLinux() && Stopwatch.Frequency == NanosecondsPerSecond && HasClockSleep();

    /// <summary>Returns at or after a <see cref="Stopwatch"/> time stamp, which on Linux is the monotonic clock in nanoseconds.</summary>
    public static void Until(long timestamp)
    {
        if (!s_isPrecise)
        {
            double milliseconds = 1000.0 * (timestamp - Stopwatch.GetTimestamp()) / Stopwatch.Frequency;
            if (milliseconds > 0) Thread.Sleep((int)Math.Ceiling(milliseconds));
            return;
        }
        Timespec until = new() { Seconds = (nint)(timestamp / NanosecondsPerSecond), Nanoseconds = (nint)(timestamp % NanosecondsPerSecond) };
        while (ClockNanosleep(Monotonic, Absolute, &until, null) == Interrupted)
        {
        }
    }

    private static bool HasClockSleep()
    {
        try
        {
            Timespec past = default;
            return ClockNanosleep(Monotonic, Absolute, &past, null) == 0;
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            return false;
        }
    }

    [LibraryImport("libc.so.6", EntryPoint = "clock_nanosleep")]
    private static partial int ClockNanosleep(int clock, int flags, Timespec* request, Timespec* remain);

    /// <summary>struct timespec of 64-bit Linux: two longs.</summary>
    private struct Timespec
    {
        public nint Seconds;
        public nint Nanoseconds;
    }
}
