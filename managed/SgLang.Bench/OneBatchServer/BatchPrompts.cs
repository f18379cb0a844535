using System.Text.Json.Nodes;
using SgLang.Bench.Datasets;
using SgLang.Tokenization;

namespace SgLang.Bench.OneBatchServer;

/// <summary>The rows of a batch as token ids. The same case gives the same rows, so that a profiled pass repeats the clean one.</summary>
internal sealed class BatchPrompts(OneBatchServerOptions options, Vocabulary vocabulary, TextWriter notices)
{
    private readonly Dictionary<(int Batch, int Input, int Output), JsonObject> _described = [];

    public int[][] Make(int batch, int input, int tokens, Tokenizer? tokenizer)
    {
        Dataset dataset = options.FixedPromptFile.Length > 0 ? Fixed(batch, tokens, tokenizer) : Generated(batch, input, tokens);
        _described[(batch, input, tokens)] = dataset.ToJson();
        return [.. dataset.Rows.Select(row => row.Ids!)];
    }

    /// <summary>Name, source and hash of the rows that a case had.</summary>
    public JsonNode? Describe(int batch, int input, int tokens) => _described.GetValueOrDefault((batch, input, tokens))?.DeepClone();

    private Dataset Generated(int batch, int input, int tokens)
    {
        DatasetOptions wanted = options.Dataset with
        {
            NumPrompts = batch, RandomInputLength = input, RandomOutputLength = tokens, RandomRangeRatio = 1, TokenizePrompt = true,
        };
        if (wanted.Name == "random" && vocabulary.Tokenizer is null) wanted = wanted with { Name = "random-ids" };
        if (wanted.Name == "generated-shared-prefix")
        {
            int groups = Math.Min(wanted.PrefixGroups, batch);
            wanted = wanted with { PrefixGroups = groups, PromptsPerGroup = (batch + groups - 1) / groups };
        }
        Dataset dataset = DatasetBuilder.Build(wanted, vocabulary, _described.Count == 0 ? notices : TextWriter.Null);
        return dataset.Rows.Count > batch ? new Dataset(dataset.Name, dataset.Source, [.. dataset.Rows.Take(batch)]) : dataset;
    }

    private Dataset Fixed(int batch, int tokens, Tokenizer? tokenizer)
    {
        if (tokenizer is null) throw new BenchUsageException("--fixed-prompt-file needs a tokenizer; name one with --local-tokenizer-path");
        string text;
        try
        {
            text = File.ReadAllText(options.FixedPromptFile);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BenchUsageException($"--fixed-prompt-file: cannot read '{options.FixedPromptFile}': {e.Message}");
        }
        int[] ids = options.ApplyChatTemplate
            ? tokenizer.Encode(vocabulary.Chat("--apply-chat-template", text), addSpecialTokens: false)
            : tokenizer.Encode(text, addSpecialTokens: true);
        if (ids.Length == 0) throw new BenchUsageException($"--fixed-prompt-file: '{options.FixedPromptFile}' has no tokens");
        PromptRow row = new() { Text = text, Ids = ids, PromptLength = ids.Length, OutputLength = tokens };
        return new Dataset("fixed-prompt", $"file {Path.GetFileName(options.FixedPromptFile)}", [.. Enumerable.Repeat(row, batch)]);
    }
}
