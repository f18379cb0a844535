using SgLang.Models;

namespace SgLang.Engine;

/// <summary>How the tokens of a replica were spread over its experts, and over the parts (--ep-size) that those lie in, since the start.</summary>
/// <param name="TokensByLayer">Tokens of each expert, by the path of a layer's experts: a token counts once for each of its k experts.</param>
/// <param name="TokensByPart">The same over all layers, for each expert-parallel part.</param>
/// <param name="Balancedness">Mean over the layers of average / largest tokens of a part: 1 is even; 1 also before the first token.</param>
public sealed record ExpertLoad(IReadOnlyDictionary<string, long[]> TokensByLayer, long[] TokensByPart, double Balancedness)
{
    /// <param name="counters">One for each pipeline stage.</param>
    internal static ExpertLoad Of(IEnumerable<ExpertCounter> counters, int epSize)
    {
        SortedDictionary<string, long[]> layers = new(StringComparer.Ordinal);
        long[] parts = new long[epSize];
        double balance = 0;
        int counted = 0;
        foreach ((string layer, long[] tokens) in counters.SelectMany(counter => counter.Read()))
        {
            layers.Add(layer, tokens);
            long most = 0, all = 0;
            int each = tokens.Length / epSize;
            for (int part = 0; part < epSize; part++)
            {
                long sum = tokens.AsSpan(part * each, each).ToArray().Sum();
                parts[part] += sum;
                most = Math.Max(most, sum);
                all += sum;
            }
            if (all == 0) continue;
            balance += (double)all / epSize / most;
            counted++;
        }
        return new ExpertLoad(layers, parts, counted == 0 ? 1 : balance / counted);
    }
}
