using System.Diagnostics;

namespace SgLang.Profiling.Tests.Recording;

/// <summary>What a span costs. Run by hand: `--explicit only --filter-class *SpanCost`.</summary>
public class SpanCost(ITestOutputHelper output)
{
    private const int Count = 10_000;

    [Fact(Explicit = true)]
    public void Nanoseconds_of_a_span()
    {
        TraceRecorder recorder = new(1 << 17);
        int name = recorder.Names.Register("n");
        double off = Best(recorder, name);
        TraceCapture capture = new(recorder, Path.GetTempPath(), static _ => { });
        // A dropped record is cheaper, so none may be.
        double on = Best(recorder, name, pause: true);
        capture.End();
        capture.Join();
        Assert.Equal(0, capture.DroppedByRings);
        long sum = 0;
        double clock = double.MaxValue;
        for (int round = 0; round < 50; round++)
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < Count; i++) sum ^= Stopwatch.GetTimestamp();
            clock = Math.Min(clock, Stopwatch.GetElapsedTime(start).TotalNanoseconds / Count);
        }
        output.WriteLine($"span off {off:0.00} ns, on {on:0.0} ns; the clock alone {clock:0.0} ns a reading ({sum & 1})");
    }

    private static double Best(TraceRecorder recorder, int name, bool pause = false)
    {
        double best = double.MaxValue;
        for (int round = 0; round < 50; round++)
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < Count; i++) recorder.End(recorder.Begin(), name, i);
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalNanoseconds / Count);
            if (pause) Thread.Sleep(20);
        }
        return best;
    }
}
