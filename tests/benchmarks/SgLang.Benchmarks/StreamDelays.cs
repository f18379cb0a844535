using System.Diagnostics;

namespace SgLang.Benchmarks;

/// <summary>What became of a load's tokens, whose ids tell the steps that drew them, while all of its streams ran.</summary>
/// <param name="Milliseconds">From a token's draw to its arrival in its reader's socket, ascending.</param>
/// <param name="Disordered">Tokens of steps that had not run, which is where one that is out of order seems to come from.</param>
internal sealed record StreamDelays(double[] Milliseconds, double TokensPerSecond, long Disordered)
{
    /// <param name="drawn">By step, when it drew; 0: never.</param>
    /// <param name="cycle">Ids begin again after this many steps.</param>
    public static StreamDelays Of(StreamReadings readings, long[] drawn, int cycle)
    {
        // Beginnings and ends are something else.
        long first = readings.Streams.Max(stream => stream.Length > 0 ? stream[0].At : 0), last = readings.Streams.Min(stream => stream.Length > 0 ? stream[^1].At : 0);
        var delays = new List<double>();
        long disordered = 0;
        foreach ((int Id, long At)[] stream in readings.Streams)
        {
            long step = 0;
            foreach ((int id, long at) in stream)
            {
                // Of the steps whose number ends in the id, the first after the last one; a token that came early would seem to be far ahead.
                long next = step + 1 + ((((id - step - 1) % cycle) + cycle) % cycle);
                if (next >= drawn.Length || drawn[next] == 0)
                {
                    disordered++;
                    continue;
                }
                step = next;
                if (at >= first && at <= last) delays.Add(Stopwatch.GetElapsedTime(drawn[step], at).TotalMilliseconds);
            }
        }
        return new StreamDelays([.. delays.Order()], delays.Count / Math.Max(1e-9, Stopwatch.GetElapsedTime(first, last).TotalSeconds), disordered);
    }

    public static string Quantile(double[] sorted, double q) => sorted.Length == 0 ? "-" : $"{sorted[(int)(q * (sorted.Length - 1))]:F2}";
}
