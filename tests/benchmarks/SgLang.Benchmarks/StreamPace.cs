using System.Diagnostics;

namespace SgLang.Benchmarks;

/// <summary>When the steps of a scripted model are due, and when they drew. One thread.</summary>
/// <param name="stepMilliseconds">0: at once.</param>
internal sealed class StreamPace(int stepMilliseconds, int numSteps)
{
    private long _due;

    /// <summary>By step, in Stopwatch's ticks; 0: has not run.</summary>
    public long[] Drawn { get; } = new long[numSteps];

    /// <summary>A step that is late does not hurry the ones after it beyond half a second.</summary>
    public void Wait()
    {
        if (stepMilliseconds == 0) return;
        long now = Stopwatch.GetTimestamp();
        _due = Math.Max(_due, now - (Stopwatch.Frequency / 2)) + (stepMilliseconds * Stopwatch.Frequency / 1000);
        int wait = (int)((_due - now) * 1000 / Stopwatch.Frequency);
        if (wait > 0) Thread.Sleep(wait);
    }

    public void Draw(long step) => Drawn[step] = Stopwatch.GetTimestamp();
}
