using System.Diagnostics;
using System.Globalization;
using SgLang.Bench.Load;

namespace SgLang.Bench.Reports;

/// <summary>
/// Answers so far, tokens a second and time left, on one line that is rewritten in a terminal. Drawn by a timer: whoever completes a request only
/// counts it.
/// </summary>
internal sealed class ProgressLine : IDisposable
{
    private const int Width = 30;
    private static readonly TimeSpan s_redraw = TimeSpan.FromMilliseconds(250);

    private readonly TextWriter _output;
    private readonly int _total;
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly Timer _timer;
    private int _done;
    private int _failed;
    private long _tokens;

    public ProgressLine(TextWriter output, int total)
    {
        _output = output;
        _total = total;
        _timer = new Timer(_ => Draw(), null, s_redraw, s_redraw);
    }

    public void Tick(RequestRecord record) => Tick(record.IsSuccess, record.OutputTokens ?? record.Arrivals.Count);

    public void Tick(bool isSuccess, int tokens)
    {
        Interlocked.Increment(ref _done);
        if (!isSuccess) Interlocked.Increment(ref _failed);
        Interlocked.Add(ref _tokens, tokens);
    }

    public void Dispose()
    {
        using (ManualResetEvent stopped = new(false))
        {
            if (_timer.Dispose(stopped)) stopped.WaitOne();
        }
        Draw();
        _output.WriteLine();
    }

    internal string Text(double seconds)
    {
        int done = Volatile.Read(ref _done), failed = Volatile.Read(ref _failed);
        int filled = (int)((long)Math.Min(done, _total) * Width / Math.Max(1, _total));
        string left = done > 0 && done < _total ? string.Create(CultureInfo.InvariantCulture, $"<{seconds / done * (_total - done):0} s left") : "";
        return string.Create(CultureInfo.InvariantCulture,
            $"[{new string('#', filled)}{new string('.', Width - filled)}] {done}/{_total} {seconds:0} s {left} {Interlocked.Read(ref _tokens) / Math.Max(seconds, 0.001):0} tok/s{(failed > 0 ? $" {failed} FAILED" : "")}");
    }

    private void Draw()
    {
        // Blanks wipe the rest of a longer line before.
        _output.Write("\r" + Text(Stopwatch.GetElapsedTime(_start).TotalSeconds).PadRight(100));
        _output.Flush();
    }
}
