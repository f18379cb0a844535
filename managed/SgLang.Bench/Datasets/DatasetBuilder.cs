using SgLang.Bench.Statistics;
using SgLang.Tokenization;

namespace SgLang.Bench.Datasets;

/// <summary>From options to requests, all before any timing. Draws are those of spec/benchmarks.md 2.4 and 7.</summary>
public static class DatasetBuilder
{
    private const int ShortestSequence = 2;
    private const int ShortestFixedOutput = 4;

    /// <param name="vocabulary">Of the model that will answer.</param>
    /// <param name="notices">Lines for the user.</param>
    /// <exception cref="BenchException">The set cannot be made, and what to change.</exception>
    public static Dataset Build(DatasetOptions options, Vocabulary vocabulary, TextWriter notices)
    {
        Dataset dataset = options.Name switch
        {
            "sharegpt" or "custom" => OfConversations(options, vocabulary, notices),
            "openai" => TraceSets.OpenAI(options, vocabulary, notices),
            "mooncake" => TraceSets.Mooncake(options, vocabulary, notices),
            "longbench_v2" => TaskSets.LongBench(options, vocabulary, notices),
            "speed-bench" => TaskSets.SpeedBench(options, vocabulary, notices),
            "agentic-trace" => TraceSets.Agentic(options, vocabulary),
            "mmmu" => MmmuSet.Build(options, vocabulary, notices),
            "image" => ImageSet.Build(options, vocabulary, notices),
            "generated-shared-prefix" => SharedPrefixSet.Build(options, vocabulary),
            "random" => RandomText(options, vocabulary, notices),
            _ => RandomIds(options, vocabulary, notices),
        };
        if (dataset.Rows.Count == 0) throw new BenchUsageException($"--dataset-name {options.Name} gave no prompt; check --num-prompts, --dataset-path and the lengths asked for");
        if (dataset.Rows.Count < options.NumPrompts && options.Name != "generated-shared-prefix")
            notices.WriteLine($"Only {dataset.Rows.Count} of {options.NumPrompts} prompts: the data set has no more that fit.");
        notices.WriteLine($"#Input tokens: {dataset.InputTokens}");
        notices.WriteLine($"#Output tokens: {dataset.OutputTokens}");
        return dataset;
    }

    private static Dataset OfConversations(DatasetOptions options, Vocabulary vocabulary, TextWriter notices)
    {
        if (options.ShareGptOutputLength is < ShortestFixedOutput)
            throw new BenchUsageException($"--sharegpt-output-len must be at least {ShortestFixedOutput}, got {options.ShareGptOutputLength}");
        Tokenizer tokenizer = vocabulary.Require($"--dataset-name {options.Name}");
        (List<Exchange> exchanges, string source) = Exchanges(options, notices);
        // A trace keeps its order: what comes first in it is sent first.
        if (exchanges.Any(exchange => exchange.Timestamp is null)) new PythonRandom(options.Seed).Shuffle(exchanges);
        List<PromptRow> rows = [];
        int skipped = 0;
        foreach (Exchange exchange in exchanges)
        {
            if (rows.Count == options.NumPrompts) break;
            string text = exchange.Question + options.PromptSuffix;
            if (options.ApplyChatTemplate) text = WithoutBegin(vocabulary.Chat("--apply-chat-template", text), tokenizer);
            int[] ids = tokenizer.Encode(text, addSpecialTokens: true);
            int output = options.ShareGptOutputLength ?? tokenizer.Encode(exchange.Answer, addSpecialTokens: true).Length;
            if (ids.Length < ShortestSequence || output < ShortestSequence || ids.Length + output > options.ShareGptContextLength) continue;
            if (skipped++ < options.Offset) continue;
            rows.Add(new PromptRow { Text = text, Ids = ids, PromptLength = ids.Length, OutputLength = output, Timestamp = exchange.Timestamp });
        }
        return new Dataset(options.Name, source, FromZero(rows));
    }

    /// <summary>The begin token is added when the text is encoded; a template that writes it would make two.</summary>
    internal static string WithoutBegin(string text, Tokenizer tokenizer) =>
        tokenizer.BosTokenId is { } id && tokenizer.TokenText(id) is { Length: > 0 } begin && text.StartsWith(begin, StringComparison.Ordinal) ? text[begin.Length..] : text;

    /// <summary>In the order of their times, the first at 0.</summary>
    internal static IReadOnlyList<PromptRow> FromZero(List<PromptRow> rows)
    {
        if (rows.Count == 0 || rows.Any(row => row.Timestamp is null)) return rows;
        double first = rows.Min(row => row.Timestamp!.Value);
        return [.. rows.OrderBy(row => row.Timestamp).Select(row => row with { Timestamp = row.Timestamp - first })];
    }

    private static (List<Exchange> Exchanges, string Source) Exchanges(DatasetOptions options, TextWriter notices)
    {
        if (options.Path.Length == 0)
        {
            if (options.Name == "custom") throw new BenchUsageException("--dataset-name custom needs --dataset-path: a file of JSON lines with conversations");
            notices.WriteLine("No --dataset-path: using the built-in conversations (public-domain text), not ShareGPT.");
            return (Conversations.BuiltIn(), Conversations.BuiltInSource);
        }
        if (options.Name != "custom") return (Conversations.ShareGpt(options.Path), $"file {Path.GetFileName(options.Path)}");
        List<Exchange> exchanges = Conversations.JsonLines(options.Path, out int numBad);
        if (numBad > 0) notices.WriteLine($"{numBad} lines of {options.Path} are not JSON and were left out.");
        return (exchanges, $"file {Path.GetFileName(options.Path)}");
    }

    /// <summary>Ids of each conversation's question, repeated or cut to a random length.</summary>
    private static Dataset RandomText(DatasetOptions options, Vocabulary vocabulary, TextWriter notices)
    {
        Tokenizer tokenizer = vocabulary.Require("--dataset-name random");
        var numpy = new NumpyRandom(options.Seed);
        (int[] inputs, int[] outputs) = Lengths(options, numpy);
        (List<Exchange> exchanges, string source) = Exchanges(options with { Name = "sharegpt" }, notices);
        new PythonRandom(options.Seed).Shuffle(exchanges);
        int[][] questions = [.. exchanges.Take(options.NumPrompts).Select(e => tokenizer.Encode(e.Question, addSpecialTokens: false)).Where(ids => ids.Length >= ShortestSequence)];
        if (questions.Length == 0) throw new BenchUsageException($"--dataset-path: '{options.Path}' has no conversation to take text from");
        int added = options.TokenizePrompt ? 0 : AddedBy(tokenizer);
        List<PromptRow> rows = [];
        for (int i = 0; i < options.NumPrompts; i++)
        {
            int[] question = questions[i % questions.Length];
            int[] ids = new int[Math.Max(1, inputs[i] - added)];
            for (int j = 0; j < ids.Length; j++) ids[j] = question[j % question.Length];
            rows.Add(Row(ids, outputs[i], options.TokenizePrompt, tokenizer));
        }
        return new Dataset("random", source, rows);
    }

    /// <summary>Token j of request k is (offset_k + k + j) mod vocabulary; lengths first, then offsets, are drawn.</summary>
    private static Dataset RandomIds(DatasetOptions options, Vocabulary vocabulary, TextWriter notices)
    {
        var numpy = new NumpyRandom(options.Seed);
        (int[] inputs, int[] outputs) = Lengths(options, numpy);
        int[] offsets = numpy.Integers(0, vocabulary.Size, options.NumPrompts);
        bool isText = !options.TokenizePrompt && vocabulary.Tokenizer is not null;
        if (!options.TokenizePrompt && !isText) notices.WriteLine("No tokenizer: prompts are sent as token ids.");
        int added = isText ? AddedBy(vocabulary.Tokenizer!) : 0;
        List<PromptRow> rows = [];
        for (int k = 0; k < options.NumPrompts; k++)
        {
            int[] ids = new int[Math.Max(1, inputs[k] - added)];
            for (int j = 0; j < ids.Length; j++) ids[j] = (int)(((long)offsets[k] + k + j) % vocabulary.Size);
            rows.Add(Row(ids, outputs[k], !isText, vocabulary.Tokenizer));
        }
        return new Dataset("random-ids", "generated", rows);
    }

    /// <summary>All input lengths are drawn before all output lengths.</summary>
    private static (int[] Inputs, int[] Outputs) Lengths(DatasetOptions options, NumpyRandom random)
    {
        int[] inputs = Lengths(options.RandomInputLength, options.RandomRangeRatio, options.NumPrompts, random);
        return (inputs, Lengths(options.RandomOutputLength, options.RandomRangeRatio, options.NumPrompts, random));
    }

    /// <summary>Uniform on [max(int(longest * ratio), 1), longest]; all 0 for a longest of 0.</summary>
    internal static int[] Lengths(int longest, double ratio, int count, NumpyRandom random) =>
        longest <= 0 ? new int[count] : random.Integers(Math.Max((int)(longest * ratio), 1), longest + 1, count);

    /// <summary>Special tokens around every text, which count against the length asked for.</summary>
    private static int AddedBy(Tokenizer tokenizer) => tokenizer.Encode("", addSpecialTokens: true).Length;

    /// <summary>As text the length is what the text encodes to: decoding and encoding again may change it.</summary>
    private static PromptRow Row(int[] ids, int output, bool asIds, Tokenizer? tokenizer)
    {
        if (asIds) return new PromptRow { Ids = ids, PromptLength = ids.Length, OutputLength = output };
        string text = tokenizer!.Decode(ids, skipSpecialTokens: false);
        int[] encoded = tokenizer.Encode(text, addSpecialTokens: true);
        return new PromptRow { Text = text, Ids = encoded, PromptLength = encoded.Length, OutputLength = output };
    }
}
