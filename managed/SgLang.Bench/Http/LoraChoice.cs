using SgLang.Bench.Statistics;

namespace SgLang.Bench.Http;

/// <summary>Which adapter each request names: at random, in turn ("distinct"), or with weights alpha^-k of the k-th ("skewed").</summary>
public static class LoraChoice
{
    public static IReadOnlyList<string> Distributions { get; } = ["uniform", "distinct", "skewed"];

    /// <summary>One name for each of <paramref name="count"/> requests; nulls where there are no names.</summary>
    public static string?[] For(int count, IReadOnlyList<string> names, string distribution, double alpha, uint seed)
    {
        string?[] chosen = new string?[count];
        if (names.Count == 0) return chosen;
        if (distribution is not "uniform" && names.Count < 2) throw new BenchUsageException($"--lora-request-distribution {distribution} needs at least two of --lora-name, got {names.Count}");
        if (distribution is "skewed" && !(alpha > 1)) throw new BenchUsageException(FormattableString.Invariant($"--lora-zipf-alpha must be above 1, got {alpha}"));
        var python = new PythonRandom(seed);
        var numpy = new NumpyRandom(seed);
        double[] weights = [.. names.Select((_, k) => Math.Pow(alpha, -k))];
        for (int i = 0; i < count; i++)
        {
            chosen[i] = names[distribution switch
            {
                "distinct" => i % names.Count,
                "skewed" => numpy.Choice(weights),
                _ => python.Below(names.Count),
            }];
        }
        return chosen;
    }
}
