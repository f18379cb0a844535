using System.Diagnostics;

namespace SgLang.Bench.Serving;

/// <summary>Answers so far, one line rewritten in a terminal.</summary>
internal sealed class ProgressLine(TextWriter output, int total) : IDisposable
{
    private const int Width = 30;
    private static readonly TimeSpan s_redraw = TimeSpan.FromMilliseconds(200);

    private readonly Lock _gate = new();
    private readonly long _start = Stopwatch.GetTimestamp();
    private long _drawn;
    private int _done;

    public void Tick()
    {
        int done = Interlocked.Increment(ref _done);
        if (done < total && Stopwatch.GetElapsedTime(Volatile.Read(ref _drawn)) < s_redraw) return;
        lock (_gate)
        {
            _drawn = Stopwatch.GetTimestamp();
            int filled = (int)((long)_done * Width / total);
            output.Write($"\r[{new string('#', filled)}{new string('.', Width - filled)}] {_done}/{total} {Stopwatch.GetElapsedTime(_start).TotalSeconds:0} s");
            output.Flush();
        }
    }

    public void Dispose() => output.WriteLine();
}
