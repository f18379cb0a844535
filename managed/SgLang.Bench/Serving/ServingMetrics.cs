using System.Diagnostics;
using SgLang.Bench.Load;
using SgLang.Bench.Statistics;

namespace SgLang.Bench.Serving;

/// <summary>Figures of a run (spec/benchmarks.md 6.7). Times in seconds; failed requests are in none but <see cref="Failures"/>.</summary>
public sealed record ServingMetrics
{
    /// <summary>First send to last answer's end.</summary>
    public required double Duration { get; init; }
    public required int Completed { get; init; }
    public required IReadOnlyDictionary<string, int> Failures { get; init; }

    /// <summary>As planned by the data set.</summary>
    public required long InputTokens { get; init; }

    /// <summary>As counted by the server; null where it does not count.</summary>
    public required long? ServerInputTokens { get; init; }
    public required long? CachedTokens { get; init; }
    public required long OutputTokens { get; init; }

    /// <summary>Answers whose length was taken from their text, because the server sent no count.</summary>
    public required int GuessedLengths { get; init; }
    public required long? OutputTokensRetokenized { get; init; }

    /// <summary>From sent to the last line.</summary>
    public required Summary E2E { get; init; }

    /// <summary>From scheduled to the last line: what a user of an open system waits, client queueing included.</summary>
    public required Summary E2EFromScheduled { get; init; }
    public required Summary Ttft { get; init; }
    public required Summary TtftFromScheduled { get; init; }
    public required Summary Tpot { get; init; }

    /// <summary>Only of requests whose chunks the server counted, or that had one token a chunk.</summary>
    public required Summary Itl { get; init; }

    /// <summary>Between chunks, whatever they carry.</summary>
    public required Summary ChunkGap { get; init; }

    /// <summary>Sent minus scheduled.</summary>
    public required Summary Lag { get; init; }

    /// <summary>Requests a second in the order they were sent; null for fewer than two or an infinite rate.</summary>
    public required double? AchievedRate { get; init; }
    public required double PeakOutputTokens { get; init; }
    public required int PeakConcurrency { get; init; }
    public required double SumOfLatencies { get; init; }

    /// <summary>Null where no objectives were given.</summary>
    public required Goodput? Goodput { get; init; }

    /// <summary>Null where the run never settled.</summary>
    public required SteadyState? Steady { get; init; }

    /// <summary>Where cached prompt tokens were, by name; empty where the server does not say.</summary>
    public required IReadOnlyDictionary<string, long> CachedDetails { get; init; }

    public double Concurrency => SumOfLatencies / Duration;

    /// <param name="isOpenLoop">A schedule spread the requests, so that latency from the scheduled time is what users would have waited.</param>
    /// <param name="count">Tokens of a text, for answers the server did not count; null where there is no tokenizer.</param>
    public static ServingMetrics Of(IReadOnlyList<RequestRecord> records, bool isOpenLoop, Func<string, int>? count, ServiceObjectives? objectives = null)
    {
        RequestRecord[] good = [.. records.Where(r => r.IsSuccess)];
        int guessed = 0;
        foreach (RequestRecord record in good)
        {
            if (record.OutputTokens is not null) continue;
            guessed++;
            record.OutputTokens = count is not null ? count(record.Text) : record.Arrivals.Count;
        }
        List<double> itl = [], gaps = [];
        foreach (RequestRecord record in good) AddGaps(record, itl, gaps);
        long firstSent = records.Min(r => r.Sent), lastEnd = records.Max(r => r.Ended);
        RequestRecord[] withTokens = [.. good.Where(r => r.Arrivals.Count > 0)];
        long[] sent = [.. records.Select(r => r.Sent).Order()];
        return new ServingMetrics
        {
            Duration = Math.Max(Seconds(firstSent, lastEnd), 1e-9),
            Completed = good.Length,
            Failures = records.Where(r => !r.IsSuccess).GroupBy(r => r.Error!).ToDictionary(g => g.Key, g => g.Count()),
            // The length of a later turn was not known beforehand.
            InputTokens = good.Sum(r => (long)(r.PlannedInput > 0 ? r.PlannedInput : r.PromptTokens ?? 0)),
            ServerInputTokens = good.Length > 0 && good.All(r => r.PromptTokens is not null) ? good.Sum(r => (long)r.PromptTokens!.Value) : null,
            CachedTokens = good.Length > 0 && good.All(r => r.CachedTokens is not null) ? good.Sum(r => (long)r.CachedTokens!.Value) : null,
            OutputTokens = good.Sum(r => (long)r.OutputTokens!.Value),
            GuessedLengths = guessed,
            OutputTokensRetokenized = count is null ? null : good.Sum(r => (long)count(r.Text)),
            E2E = Summary.Of([.. good.Select(r => Seconds(r.Sent, r.Ended))]),
            E2EFromScheduled = Summary.Of([.. good.Select(r => Seconds(r.Scheduled, r.Ended))]),
            Ttft = Summary.Of([.. withTokens.Select(r => Seconds(r.Sent, r.Arrivals[0].At))]),
            TtftFromScheduled = Summary.Of([.. withTokens.Select(r => Seconds(r.Scheduled, r.Arrivals[0].At))]),
            Tpot = Summary.Of([.. withTokens.Where(r => r.OutputTokens > 1).Select(r => Seconds(r.Arrivals[0].At, r.Ended) / (r.OutputTokens!.Value - 1))]),
            Itl = Summary.Of(itl),
            ChunkGap = Summary.Of(gaps),
            Lag = Summary.Of([.. records.Select(r => Seconds(r.Scheduled, r.Sent))]),
            AchievedRate = isOpenLoop && sent.Length > 1 && sent[^1] > sent[0] ? (sent.Length - 1) / Seconds(sent[0], sent[^1]) : null,
            PeakOutputTokens = PeakTokens(good, firstSent),
            PeakConcurrency = PeakOpen(good),
            SumOfLatencies = good.Sum(r => Seconds(r.Sent, r.Ended)),
            Goodput = objectives is null ? null : Serving.Goodput.Of(records, objectives, isOpenLoop, Seconds(firstSent, lastEnd)),
            Steady = SteadyState.Find(good),
            CachedDetails = good.SelectMany(r => r.CachedDetails ?? []).GroupBy(d => d.Key).ToDictionary(g => g.Key, g => g.Sum(d => d.Value)),
        };
    }

    /// <summary>
    /// A gap before a chunk of n tokens is n gaps of an n-th. Where the server counted no chunks but as many tokens as there were chunks, each
    /// had one; otherwise the times of single tokens are unknown and only the gaps between chunks count.
    /// </summary>
    internal static void AddGaps(RequestRecord record, List<double> itl, List<double> gaps)
    {
        List<Arrival> arrivals = record.Arrivals;
        bool isOneEach = !record.IsCountedByChunk && record.OutputTokens == arrivals.Count;
        for (int i = 1; i < arrivals.Count; i++)
        {
            double gap = Seconds(arrivals[i - 1].At, arrivals[i].At);
            gaps.Add(gap);
            int tokens = record.IsCountedByChunk ? arrivals[i].Tokens ?? 0 : isOneEach ? 1 : 0;
            for (int token = 0; token < tokens; token++) itl.Add(gap / tokens);
        }
    }

    /// <summary>Most tokens in a second, counted in whole seconds from the first send, by the chunk that brought them.</summary>
    private static double PeakTokens(RequestRecord[] records, long start)
    {
        Dictionary<int, double> buckets = [];
        foreach (RequestRecord record in records)
        {
            double each = record.Arrivals.Count == 0 ? 0 : (double)record.OutputTokens!.Value / record.Arrivals.Count;
            foreach (Arrival arrival in record.Arrivals)
            {
                int second = (int)Seconds(start, arrival.At);
                buckets[second] = buckets.GetValueOrDefault(second) + (record.IsCountedByChunk ? arrival.Tokens ?? 0 : each);
            }
        }
        return buckets.Count == 0 ? 0 : buckets.Values.Max();
    }

    /// <summary>Most requests open at the same moment.</summary>
    private static int PeakOpen(RequestRecord[] records)
    {
        int open = 0, most = 0;
        // An end at the very moment of a start frees its place first.
        foreach ((_, int step) in records.SelectMany(r => new[] { (r.Sent, 1), (r.Ended, -1) }).OrderBy(e => e.Item1).ThenBy(e => e.Item2))
        {
            open += step;
            most = Math.Max(most, open);
        }
        return most;
    }

    private static double Seconds(long from, long to) => (to - from) / (double)Stopwatch.Frequency;
}
