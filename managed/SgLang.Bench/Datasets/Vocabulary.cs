using SgLang.Tokenization;

namespace SgLang.Bench.Datasets;

/// <summary>What data sets are made with: a tokenizer, or without one only the number of ids.</summary>
public sealed record Vocabulary(Tokenizer? Tokenizer, int Size)
{
    public static Vocabulary Of(Tokenizer tokenizer) => new(tokenizer, tokenizer.VocabularySize);

    internal Tokenizer Require(string what) => Tokenizer
        ?? throw new BenchException($"{what} needs a tokenizer, and there is none; use --dataset-name random-ids, or name a tokenizer");
}
