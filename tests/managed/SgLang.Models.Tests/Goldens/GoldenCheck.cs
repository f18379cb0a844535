namespace SgLang.Models.Tests;

/// <summary>How far from the float32 reference a compute mode may be.</summary>
/// <param name="Relative">|logit difference| over the largest |logit|; 0 for no such bound.</param>
/// <param name="MinCosine">Of each row of logits.</param>
/// <param name="Logprob">|difference| of log-probabilities, beside <paramref name="LogprobRelative"/> of the log-probability itself.</param>
/// <param name="Margin">A greedy id may differ where the reference's margin is at most this; what follows such a place is not compared.</param>
internal sealed record Tolerance(double Relative, double MinCosine, double Logprob, double LogprobRelative, double Margin)
{
    public static readonly Tolerance Float32 = new(1e-3, 0.999999, 1e-3, 1e-3, 0.002);
    public static readonly Tolerance BFloat16 = new(0, 0.999, 0.15, 0.04, 0.15);
}

/// <summary>Compares one sequence's logits with its golden case; errors name the place and print the numbers.</summary>
/// <param name="nearTies">
/// Positions where rounding may send a token to another expert, which is no rounding error any more; logits there are not compared. Null for none.
/// </param>
internal sealed class GoldenCheck(GoldenCase golden, Tolerance tolerance, string name, IReadOnlySet<int>? nearTies = null)
{
    private bool _diverged;

    /// <summary>Largest differences seen, for the test's output.</summary>
    public double WorstRelative { get; private set; }
    public double WorstCosine { get; private set; } = 1;
    public double WorstLogprob { get; private set; }

    /// <summary>Logits after the prompt's token `position`.</summary>
    public void Prompt(int position, float[] logits)
    {
        if (nearTies?.Contains(position) == true) return;
        if (golden.Logits is { } rows) Row($"{name}, prompt position {position}", rows[position], logits);
        if (position + 1 < golden.InputIds.Length)
            Logprob($"{name}, prompt position {position + 1}", golden.PromptLogprobs[position + 1], logits, golden.InputIds[position + 1]);
        else
        {
            double largest = golden.LastTop10.Max(top => Math.Abs(top.Logit));
            foreach ((int id, double logit) in golden.LastTop10)
                if (tolerance.Relative > 0)
                    Assert.True(Math.Abs(logits[id] - logit) <= tolerance.Relative * largest, $"{name}: last_top10 id {id} is {logits[id]}, expected {logit}");
        }
    }

    /// <summary>Logits that choose generated token `index`; after an allowed divergence nothing is compared.</summary>
    public void Generated(int index, float[] logits)
    {
        if (_diverged || nearTies?.Contains(golden.InputIds.Length - 1 + index) == true) return;
        double margin = golden.GreedyMargins[index];
        int best = logits.AsSpan().IndexOf(logits.Max());
        if (margin <= tolerance.Margin)
        {
            // With bfloat16 the rule ends at the first narrow margin; in float32 the reference's token is forced and all others count.
            if (tolerance.Relative == 0) _diverged = true;
            return;
        }
        Assert.True(best == golden.GreedyIds[index], $"{name}: generated token {index} is {best}, expected {golden.GreedyIds[index]} with margin {margin}");
        Logprob($"{name}, generated token {index}", golden.GreedyLogprobs[index], logits, golden.GreedyIds[index]);
    }

    private void Row(string place, float[] expected, float[] actual)
    {
        double dot = 0, expectedSquares = 0, actualSquares = 0, difference = 0, largest = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            dot += (double)expected[i] * actual[i];
            expectedSquares += (double)expected[i] * expected[i];
            actualSquares += (double)actual[i] * actual[i];
            difference = Math.Max(difference, Math.Abs(expected[i] - actual[i]));
            largest = Math.Max(largest, Math.Abs(expected[i]));
        }
        double cosine = dot / Math.Sqrt(expectedSquares * actualSquares), relative = difference / largest;
        // NaN fails both.
        Assert.True(cosine >= tolerance.MinCosine, $"{place}: cosine {cosine} of the logits is below {tolerance.MinCosine}");
        if (tolerance.Relative > 0) Assert.True(relative <= tolerance.Relative, $"{place}: logits differ by {difference}, {relative} of the largest");
        WorstCosine = Math.Min(WorstCosine, cosine);
        WorstRelative = Math.Max(WorstRelative, relative);
    }

    private void Logprob(string place, double expected, float[] logits, int id)
    {
        double largest = logits.Max(), sum = 0;
        foreach (float logit in logits) sum += Math.Exp(logit - largest);
        double difference = Math.Abs(logits[id] - largest - Math.Log(sum) - expected);
        Assert.True(difference <= tolerance.Logprob + tolerance.LogprobRelative * Math.Abs(expected), $"{place}: log-probability of {id} differs by {difference} from {expected}");
        WorstLogprob = Math.Max(WorstLogprob, difference);
    }
}
