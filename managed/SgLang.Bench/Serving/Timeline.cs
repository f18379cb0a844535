using System.Diagnostics;
using SgLang.Bench.Load;

namespace SgLang.Bench.Serving;

/// <summary>Tokens a second and open requests over the time of a run, in equal intervals from the first send.</summary>
/// <param name="Step">Seconds of an interval.</param>
internal sealed record Timeline(double Step, double[] TokensPerSecond, double[] OpenRequests)
{
    private const int MostIntervals = 200;

    /// <summary>Intervals of one second, or as many as a picture can show.</summary>
    public static Timeline Of(IReadOnlyList<RequestRecord> records)
    {
        RequestRecord[] good = [.. records.Where(r => r.IsSuccess)];
        if (good.Length == 0) return new Timeline(1, [], []);
        long origin = good.Min(r => r.Sent);
        double duration = Seconds(origin, good.Max(r => r.Ended));
        double step = duration >= 10 ? Math.Max(1, duration / MostIntervals) : Math.Max(duration / 50, 1e-3);
        int count = (int)(duration / step) + 1;
        double[] tokens = new double[count], open = new double[count];
        foreach (RequestRecord record in good)
        {
            double each = record.IsCountedByChunk || record.Arrivals.Count == 0 ? 0 : (double)(record.OutputTokens ?? 0) / record.Arrivals.Count;
            foreach (Arrival arrival in record.Arrivals)
            {
                int at = Math.Clamp((int)(Seconds(origin, arrival.At) / step), 0, count - 1);
                tokens[at] += (record.IsCountedByChunk ? arrival.Tokens ?? 0 : each) / step;
            }
            // Mean over the interval: a request counts for the part of it that it was open.
            double from = Seconds(origin, record.Sent), to = Seconds(origin, record.Ended);
            for (int i = (int)(from / step); i < count && i * step < to; i++) open[i] += (Math.Min(to, (i + 1) * step) - Math.Max(from, i * step)) / step;
        }
        return new Timeline(step, tokens, open);
    }

    private static double Seconds(long from, long to) => (to - from) / (double)Stopwatch.Frequency;
}
