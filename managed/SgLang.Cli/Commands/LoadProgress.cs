using System.Diagnostics;
using System.Globalization;

namespace SgLang.Cli.Commands;

/// <summary>Progress of loading on stderr: one line rewritten in a terminal, else one at every quarter.</summary>
internal sealed class LoadProgress(TextWriter output, bool isTerminal)
{
    private static readonly TimeSpan s_redraw = TimeSpan.FromMilliseconds(100);

    private readonly Lock _gate = new();
    private string _what = "";
    private int _quarter;
    private long _drawn;
    private bool _isOpen;

    public void Report(string what, long done, long total)
    {
        lock (_gate)
        {
            if (what != _what)
            {
                Close();
                _what = what;
                _quarter = 0;
            }
            double share = total > 0 ? Math.Clamp((double)done / total, 0, 1) : 1;
            if (isTerminal) Draw(share, done >= total);
            else if ((int)(share * 4) is var quarter && quarter > _quarter)
            {
                _quarter = quarter;
                output.WriteLine(Line(share));
            }
        }
    }

    /// <summary>Leaves the cursor on a line of its own.</summary>
    public void Finish()
    {
        lock (_gate) Close();
    }

    private void Draw(double share, bool isLast)
    {
        if (!isLast && Stopwatch.GetElapsedTime(_drawn) < s_redraw) return;
        _drawn = Stopwatch.GetTimestamp();
        _isOpen = true;
        const int width = 30;
        int filled = (int)(share * width);
        output.Write($"\r{_what} [{new string('#', filled)}{new string('.', width - filled)}] {Percent(share)}");
        output.Flush();
        if (isLast) Close();
    }

    private void Close()
    {
        if (!_isOpen) return;
        _isOpen = false;
        output.WriteLine();
    }

    private string Line(double share) => $"{_what}: {Percent(share)}";

    private static string Percent(double share) => (share * 100).ToString("0", CultureInfo.InvariantCulture) + "%";
}
