using System.Diagnostics;

namespace SgLang.Profiling;

/// <summary>What recording a span costs on this machine.</summary>
internal static class SpanCost
{
    private static readonly Lazy<double> s_nanoseconds = new(Measure);

    /// <summary>Measured once, at the first question.</summary>
    public static double Nanoseconds => s_nanoseconds.Value;

    /// <summary>On a thread and a recorder of its own, so that no live ring is touched.</summary>
    private static double Measure()
    {
        const int Count = 1000;
        double best = double.MaxValue;
        var thread = new Thread(() =>
        {
            for (int round = 0; round < 5; round++)
            {
                var scratch = new TraceRecorder(1024) { IsOn = true };
                scratch.End(scratch.Begin(), 0);
                long start = Stopwatch.GetTimestamp();
                for (int i = 0; i < Count; i++) scratch.End(scratch.Begin(), 0);
                best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalNanoseconds / Count);
            }
        });
        thread.Start();
        thread.Join();
        return best;
    }
}
