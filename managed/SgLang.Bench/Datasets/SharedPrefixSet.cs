using SgLang.Bench.Statistics;
using SgLang.Tokenization;

namespace SgLang.Bench.Datasets;

/// <summary>Groups of prompts that share a long beginning; ids are uniform over the vocabulary and sent as text.</summary>
internal static class SharedPrefixSet
{
    public static Dataset Build(DatasetOptions options, Vocabulary vocabulary)
    {
        Tokenizer tokenizer = vocabulary.Require("--dataset-name generated-shared-prefix");
        var python = new PythonRandom(options.Seed);
        var numpy = new NumpyRandom(options.Seed);
        int groups = options.PrefixGroups, count = groups * options.PromptsPerGroup;
        int[] systemLengths = DatasetBuilder.Lengths(options.SystemPromptLength, options.PrefixRangeRatio, groups, numpy);
        int[] questionLengths = DatasetBuilder.Lengths(options.QuestionLength, options.PrefixRangeRatio, count * options.PrefixTurns, numpy);
        int[] outputLengths = DatasetBuilder.Lengths(options.PrefixOutputLength, options.PrefixRangeRatio, count, numpy);
        double[] weights = [.. Enumerable.Range(1, groups).Select(rank => Math.Pow(rank, -(options.PrefixZipfAlpha ?? 0)))];
        string[] prefixes = [.. systemLengths.Select(RandomWords)];
        List<PromptRow> rows = new(count);
        for (int slot = 0; slot < count; slot++)
        {
            int group = options.PrefixZipfAlpha is null ? slot / options.PromptsPerGroup : numpy.Choice(weights);
            string[] questions = [.. Enumerable.Range(0, options.PrefixTurns).Select(turn => RandomWords(questionLengths[(slot * options.PrefixTurns) + turn]))];
            string text = $"{prefixes[group]}\n\n{questions[0]}";
            int[]? ids = options.PrefixFastPrepare ? null : tokenizer.Encode(text, addSpecialTokens: true);
            rows.Add(new PromptRow
            {
                Text = text, Ids = ids, PromptLength = ids?.Length ?? 0, OutputLength = outputLengths[slot], LaterTurns = [.. questions[1..].Select(PromptRow.FromUser)],
                RoutingKey = options.SendRoutingKey ? FormattableString.Invariant($"group-{group}") : null,
            });
        }
        if (!options.IsOrdered) python.Shuffle(rows);
        return new Dataset("generated-shared-prefix", "generated", rows);

        string RandomWords(int length) => tokenizer.Decode(python.Choices(vocabulary.Size, length), skipSpecialTokens: true);
    }
}
