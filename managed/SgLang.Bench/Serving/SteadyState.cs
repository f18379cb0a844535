using System.Diagnostics;
using SgLang.Bench.Load;
using SgLang.Bench.Statistics;

namespace SgLang.Bench.Serving;

/// <summary>
/// The part of a run between filling up and running dry: from the first to the last moment at which at least the time-weighted median number of
/// requests was open. It counts as steady when both its halves make about as many tokens a second.
/// </summary>
/// <param name="Start">Seconds from the first send.</param>
/// <param name="HalfDifference">Difference of the halves' throughputs over their mean.</param>
/// <param name="Requests">Sent within it.</param>
public sealed record SteadyState(double Start, double End, int Concurrency, double OutputThroughput, double HalfDifference, int Requests, Summary Ttft, Summary E2E)
{
    /// <summary>Halves that differ by more are a drift, not noise.</summary>
    private const double LargestDifference = 0.1;

    public bool IsSteady => HalfDifference <= LargestDifference;

    /// <summary>Null where there is too little to tell.</summary>
    internal static SteadyState? Find(IReadOnlyList<RequestRecord> records)
    {
        if (records.Count < 2) return null;
        long origin = records.Min(r => r.Sent);
        // Moments at which the number of open requests changes; an end at the moment of a start frees its place first.
        (long At, int Step)[] changes = [.. records.SelectMany(r => new[] { (At: r.Sent, Step: 1), (At: r.Ended, Step: -1) }).OrderBy(c => c.At).ThenBy(c => c.Step)];
        long[] timeAt = new long[records.Count + 1];
        int open = 0;
        for (int i = 0; i + 1 < changes.Length; i++)
        {
            open += changes[i].Step;
            timeAt[open] += changes[i + 1].At - changes[i].At;
        }
        long whole = timeAt.Sum(), below = 0;
        int median = 0;
        for (int level = 0; level < timeAt.Length; level++)
        {
            below += timeAt[level];
            if (2 * below < whole) continue;
            median = level;
            break;
        }
        if (whole == 0 || median == 0) return null;

        long start = -1, end = -1;
        open = 0;
        for (int i = 0; i + 1 < changes.Length; i++)
        {
            open += changes[i].Step;
            if (open < median || changes[i + 1].At == changes[i].At) continue;
            if (start < 0) start = changes[i].At;
            end = changes[i + 1].At;
        }
        if (end <= start) return null;
        double first = Tokens(records, start, start + ((end - start) / 2)), second = Tokens(records, start + ((end - start) / 2), end);
        RequestRecord[] within = [.. records.Where(r => r.Sent >= start && r.Sent <= end)];
        return new SteadyState(
            Seconds(origin, start), Seconds(origin, end), median, (first + second) / Seconds(start, end),
            first + second > 0 ? Math.Abs(first - second) / ((first + second) / 2) : 0, within.Length,
            Summary.Of([.. within.Where(r => r.Arrivals.Count > 0).Select(r => Seconds(r.Sent, r.Arrivals[0].At))]),
            Summary.Of([.. within.Select(r => Seconds(r.Sent, r.Ended))]));
    }

    /// <summary>Tokens that arrived after <paramref name="from"/>, up to <paramref name="to"/>.</summary>
    private static double Tokens(IReadOnlyList<RequestRecord> records, long from, long to)
    {
        double tokens = 0;
        foreach (RequestRecord record in records)
        {
            double each = record.IsCountedByChunk || record.Arrivals.Count == 0 ? 0 : (double)(record.OutputTokens ?? 0) / record.Arrivals.Count;
            foreach (Arrival arrival in record.Arrivals)
                if (arrival.At > from && arrival.At <= to) tokens += record.IsCountedByChunk ? arrival.Tokens ?? 0 : each;
        }
        return tokens;
    }

    private static double Seconds(long from, long to) => (to - from) / (double)Stopwatch.Frequency;
}
