using System.Diagnostics;
using SgLang.Bench.Load;

namespace SgLang.Bench.Serving;

/// <summary>Requests that kept every limit. A failed one kept none.</summary>
/// <param name="Share">Of all requests, failed ones included.</param>
/// <param name="Rate">Such requests a second.</param>
public sealed record Goodput(int Met, double Share, double Rate)
{
    /// <param name="fromScheduled">Waiting on the client counts too: what a user of an open system sees.</param>
    internal static Goodput Of(IReadOnlyList<RequestRecord> records, ServiceObjectives limits, bool fromScheduled, double duration)
    {
        int met = records.Count(record => Meets(record, limits, fromScheduled));
        return new Goodput(met, (double)met / records.Count, duration > 0 ? met / duration : 0);
    }

    private static bool Meets(RequestRecord record, ServiceObjectives limits, bool fromScheduled)
    {
        if (!record.IsSuccess || record.Arrivals.Count == 0) return false;
        long start = fromScheduled ? record.Scheduled : record.Sent, first = record.Arrivals[0].At;
        int gaps = (record.OutputTokens ?? record.Arrivals.Count) - 1;
        return !(Milliseconds(start, first) > limits.Ttft)
            && !(Milliseconds(start, record.Ended) > limits.E2E)
            && (gaps < 1 || !(Milliseconds(first, record.Ended) / gaps > limits.Tpot));
    }

    private static double Milliseconds(long from, long to) => 1000 * (to - from) / (double)Stopwatch.Frequency;
}
