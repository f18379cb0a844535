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
            "generated-shared-prefix" => SharedPrefix(options, vocabulary),
            "random" => RandomText(options, vocabulary, notices),
            _ => RandomIds(options, vocabulary, notices),
        };
        if (dataset.Rows.Count == 0) throw new BenchException($"--dataset-name {options.Name} gave no prompt; check --num-prompts, --dataset-path and the lengths asked for");
        if (dataset.Rows.Count < options.NumPrompts && options.Name != "generated-shared-prefix")
            notices.WriteLine($"Only {dataset.Rows.Count} of {options.NumPrompts} prompts: the data set has no more that fit.");
        notices.WriteLine($"#Input tokens: {dataset.InputTokens}");
        notices.WriteLine($"#Output tokens: {dataset.OutputTokens}");
        return dataset;
    }

    private static Dataset OfConversations(DatasetOptions options, Vocabulary vocabulary, TextWriter notices)
    {
        if (options.ShareGptOutputLength is < ShortestFixedOutput)
            throw new BenchException($"--sharegpt-output-len must be at least {ShortestFixedOutput}, got {options.ShareGptOutputLength}");
        Tokenizer tokenizer = vocabulary.Require($"--dataset-name {options.Name}");
        (List<Exchange> exchanges, string source) = Exchanges(options, notices);
        new PythonRandom(options.Seed).Shuffle(exchanges);
        List<PromptRow> rows = [];
        foreach (Exchange exchange in exchanges)
        {
            if (rows.Count == options.NumPrompts) break;
            string text = exchange.Question + options.PromptSuffix;
            int[] ids = tokenizer.Encode(text, addSpecialTokens: true);
            int output = options.ShareGptOutputLength ?? tokenizer.Encode(exchange.Answer, addSpecialTokens: true).Length;
            if (ids.Length < ShortestSequence || output < ShortestSequence || ids.Length + output > options.ShareGptContextLength) continue;
            rows.Add(new PromptRow { Text = text, Ids = ids, PromptLength = ids.Length, OutputLength = output });
        }
        return new Dataset(options.Name, source, rows);
    }

    private static (List<Exchange> Exchanges, string Source) Exchanges(DatasetOptions options, TextWriter notices)
    {
        if (options.Path.Length == 0)
        {
            if (options.Name == "custom") throw new BenchException("--dataset-name custom needs --dataset-path: a file of JSON lines with conversations");
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
        if (questions.Length == 0) throw new BenchException($"--dataset-path: '{options.Path}' has no conversation to take text from");
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

    /// <summary>Groups of prompts that share a long beginning; ids are uniform over the vocabulary and sent as text.</summary>
    private static Dataset SharedPrefix(DatasetOptions options, Vocabulary vocabulary)
    {
        Tokenizer tokenizer = vocabulary.Require("--dataset-name generated-shared-prefix");
        var python = new PythonRandom(options.Seed);
        string[] prefixes = [.. Enumerable.Range(0, options.PrefixGroups).Select(_ => RandomWords(options.SystemPromptLength))];
        List<PromptRow> rows = [];
        foreach (string prefix in prefixes)
        {
            for (int i = 0; i < options.PromptsPerGroup; i++)
            {
                string text = $"{prefix}\n\n{RandomWords(options.QuestionLength)}";
                int[] ids = tokenizer.Encode(text, addSpecialTokens: true);
                rows.Add(new PromptRow { Text = text, Ids = ids, PromptLength = ids.Length, OutputLength = options.PrefixOutputLength });
            }
        }
        if (!options.IsOrdered) python.Shuffle(rows);
        return new Dataset("generated-shared-prefix", "generated", rows);

        string RandomWords(int count) => tokenizer.Decode(python.Choices(vocabulary.Size, count), skipSpecialTokens: true);
    }

    /// <summary>All input lengths are drawn before all output lengths.</summary>
    private static (int[] Inputs, int[] Outputs) Lengths(DatasetOptions options, NumpyRandom random)
    {
        int[] inputs = Draw(options.RandomInputLength);
        return (inputs, Draw(options.RandomOutputLength));

        int[] Draw(int length) => length <= 0 ? new int[options.NumPrompts] : random.Integers(Math.Max((int)(length * options.RandomRangeRatio), 1), length + 1, options.NumPrompts);
    }

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
