using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using SgLang.Tokenization;

namespace SgLang.Bench.Datasets;

/// <summary>JSON lines of requests that somebody recorded: with their messages, or with their times and what of each prompt is shared.</summary>
internal static class TraceSets
{
    private const int DefaultOutput = 256;

    /// <summary>Words that stand for one block of a Mooncake trace, whose prompts are known by the hashes of their blocks only.</summary>
    private const int WordsOfBlock = 128;

    /// <summary>Keys that are no part of what a line asks of the server.</summary>
    private static readonly string[] s_ownKeys = ["messages", "max_tokens", "max_completion_tokens", "model"];

    /// <summary>Lines with "messages" and perhaps "max_tokens"; every other key is sent along.</summary>
    public static Dataset OpenAI(DatasetOptions options, Vocabulary vocabulary, TextWriter notices)
    {
        List<PromptRow> rows = [];
        foreach (JsonObject line in Lines(options, notices))
        {
            if (line["messages"] is not JsonArray { Count: > 0 } messages) continue;
            JsonObject extra = [];
            foreach ((string key, JsonNode? value) in line) if (!s_ownKeys.Contains(key)) extra[key] = value?.DeepClone();
            JsonArray? tools = line["tools"] as JsonArray;
            int output = options.ShareGptOutputLength ?? (int?)line["max_completion_tokens"] ?? (int?)line["max_tokens"] ?? DefaultOutput;
            // Only a template tells what a conversation comes to; without one the server counts.
            int length = vocabulary is { Tokenizer: { } tokenizer, Template: not null } ? tokenizer.Encode(vocabulary.Chat("--dataset-name openai", messages, tools), addSpecialTokens: false).Length : 0;
            rows.Add(new PromptRow { Messages = (JsonArray)messages.DeepClone(), PromptLength = length, OutputLength = output, ExtraBody = extra.Count > 0 ? extra : null });
            if (rows.Count == options.NumPrompts) break;
        }
        return new Dataset("openai", $"file {Path.GetFileName(options.Path)}", rows);
    }

    /// <summary>Lines with "timestamp" (ms), "hash_ids" and "output_length": equal ids are equal text, so that prefixes are shared as in the trace.</summary>
    public static Dataset Mooncake(DatasetOptions options, Vocabulary vocabulary, TextWriter notices)
    {
        Tokenizer tokenizer = vocabulary.Require("--dataset-name mooncake");
        List<PromptRow> rows = [];
        foreach (JsonObject line in Lines(options, notices))
        {
            if (line["hash_ids"] is not JsonArray blocks || line["timestamp"] is not JsonValue time || line["output_length"] is not JsonValue output) continue;
            var text = new StringBuilder();
            foreach (JsonNode? block in blocks)
            {
                text.Append(block!.ToJsonString());
                for (int i = 0; i < WordsOfBlock; i++) text.Append(" hi");
                text.Append(' ');
            }
            int[] ids = tokenizer.Encode(text.ToString(), addSpecialTokens: true);
            rows.Add(new PromptRow
            {
                Text = text.ToString(), Ids = ids, PromptLength = ids.Length, OutputLength = Math.Max(1, output.GetValue<int>()),
                Timestamp = time.GetValue<double>() / 1000 * options.SlowdownFactor,
            });
            if (rows.Count == options.NumPrompts) break;
        }
        return new Dataset("mooncake", $"file {Path.GetFileName(options.Path)}", DatasetBuilder.FromZero(rows));
    }

    private static IEnumerable<JsonObject> Lines(DatasetOptions options, TextWriter notices)
    {
        if (options.Path.Length == 0) throw new BenchException($"--dataset-name {options.Name} needs --dataset-path: a file of JSON lines");
        int skipped = 0, bad = 0;
        using StreamReader reader = new(Conversations.Open(options.Path));
        while (reader.ReadLine() is { } text)
        {
            if (text.AsSpan().Trim().IsEmpty) continue;
            JsonObject? line = null;
            try
            {
                line = JsonNode.Parse(text) as JsonObject;
            }
            catch (JsonException)
            {
                bad++;
            }
            if (line is not null && skipped++ >= options.Offset) yield return line;
        }
        if (bad > 0) notices.WriteLine($"{bad} lines of {options.Path} are not JSON and were left out.");
    }
}
