using System.Text.Json;
using System.Text.Json.Nodes;
using SgLang.Bench.Statistics;
using SgLang.Tokenization;

namespace SgLang.Bench.Datasets;

/// <summary>Prompts of published test sets, from a file that the user has fetched.</summary>
internal static class TaskSets
{
    /// <summary>A letter and a few words.</summary>
    private const int LongBenchOutput = 10;

    private static readonly string[] s_longBenchKeys = ["context", "question", "choice_A", "choice_B", "choice_C", "choice_D"];

    /// <summary>LongBench v2: a long text and a question with four answers to choose from. A JSON array, JSON lines, or Parquet.</summary>
    public static Dataset LongBench(DatasetOptions options, Vocabulary vocabulary, TextWriter notices)
    {
        List<string> prompts = [];
        foreach (string?[] parts in ParquetColumns.IsParquet(options.Path) ? LongBenchColumns(options.Path) : LongBenchItems(options, notices))
        {
            if (parts.Contains(null)) continue;
            prompts.Add($"{parts[0]}\n\nQuestion: {parts[1]}\nA. {parts[2]}\nB. {parts[3]}\nC. {parts[4]}\nD. {parts[5]}\nAnswer:");
        }
        new PythonRandom(options.Seed).Shuffle(prompts);
        return Texts(options, vocabulary, prompts, options.ShareGptOutputLength ?? LongBenchOutput);
    }

    private static IEnumerable<string?[]> LongBenchItems(DatasetOptions options, TextWriter notices) =>
        (IsArray(options) ? Items(options) : TraceSets.Lines(options with { Offset = 0 }, notices))
        .Select(item => s_longBenchKeys.Select(key => item[key] is JsonValue value && value.TryGetValue(out string? text) ? text : null).ToArray());

    private static IEnumerable<string?[]> LongBenchColumns(string path)
    {
        string?[][] columns = [.. s_longBenchKeys.Select(key => ParquetColumns.Texts(path, key))];
        return Enumerable.Range(0, columns[0].Length).Select(row => columns.Select(column => column[row]).ToArray());
    }

    /// <summary>SPEED-Bench: the first of a line's "turns". Fewer lines than requests are sent again.</summary>
    public static Dataset SpeedBench(DatasetOptions options, Vocabulary vocabulary, TextWriter notices)
    {
        List<string> prompts = [];
        foreach (JsonObject line in TraceSets.Lines(options with { Offset = 0 }, notices))
        {
            if (options.SpeedBenchCategory is { } category && (string?)line["category"] != category) continue;
            if (line["turns"] is JsonArray { Count: > 0 } turns && turns[0] is JsonValue first && first.TryGetValue(out string? text)) prompts.Add(text);
        }
        int distinct = prompts.Count;
        if (distinct > 0 && distinct < options.NumPrompts)
        {
            notices.WriteLine($"{distinct} prompts for {options.NumPrompts} requests: they are repeated, and the prefix cache will know them.");
            while (prompts.Count < options.NumPrompts) prompts.Add(prompts[prompts.Count - distinct]);
        }
        new PythonRandom(options.Seed).Shuffle(prompts);
        return Texts(options, vocabulary, prompts, options.SpeedBenchOutputLength);
    }

    private static Dataset Texts(DatasetOptions options, Vocabulary vocabulary, IEnumerable<string> prompts, int outputLength)
    {
        Tokenizer tokenizer = vocabulary.Require($"--dataset-name {options.Name}");
        List<PromptRow> rows = [];
        int skipped = 0;
        foreach (string prompt in prompts)
        {
            if (rows.Count == options.NumPrompts) break;
            string text = prompt + options.PromptSuffix;
            if (options.ApplyChatTemplate) text = DatasetBuilder.WithoutBegin(vocabulary.Chat("--apply-chat-template", text), tokenizer);
            int[] ids = tokenizer.Encode(text, addSpecialTokens: true);
            if (ids.Length + outputLength > options.ShareGptContextLength) continue;
            if (skipped++ < options.Offset) continue;
            rows.Add(new PromptRow { Text = text, Ids = ids, PromptLength = ids.Length, OutputLength = outputLength });
        }
        return new Dataset(options.Name, $"file {Path.GetFileName(options.Path)}", rows);
    }

    private static bool IsArray(DatasetOptions options)
    {
        if (options.Path.Length == 0) throw new BenchUsageException($"--dataset-name {options.Name} needs --dataset-path: its JSON file");
        using StreamReader reader = new(Conversations.Open(options.Path));
        int c = reader.Read();
        while (c >= 0 && char.IsWhiteSpace((char)c)) c = reader.Read();
        return c == '[';
    }

    private static IEnumerable<JsonObject> Items(DatasetOptions options)
    {
        try
        {
            using FileStream file = Conversations.Open(options.Path);
            return JsonNode.Parse(file)!.AsArray().OfType<JsonObject>();
        }
        catch (JsonException e)
        {
            throw new BenchUsageException($"--dataset-path: '{options.Path}' is not JSON: {e.Message}");
        }
    }
}
