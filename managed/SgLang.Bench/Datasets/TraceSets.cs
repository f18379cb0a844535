using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using SgLang.Tokenization;

namespace SgLang.Bench.Datasets;

/// <summary>JSON lines of requests that somebody recorded: with their messages, or with their times and what of each prompt is shared.</summary>
internal static class TraceSets
{
    private const int DefaultOutput = 256;

    /// <summary>Tokens of an agent's usual answer.</summary>
    private const int AgenticOutput = 220;

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
        int numLines = 0;
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
            int outputLength = Math.Max(1, output.GetValue<int>());
            foreach (string prompt in Rounds(text.ToString(), outputLength, options.MooncakeRounds))
            {
                int[] ids = tokenizer.Encode(prompt, addSpecialTokens: true);
                rows.Add(new PromptRow { Text = prompt, Ids = ids, PromptLength = ids.Length, OutputLength = outputLength, Timestamp = time.GetValue<double>() / 1000 * options.SlowdownFactor });
            }
            if (++numLines == options.NumPrompts) break;
        }
        return new Dataset("mooncake", $"file {Path.GetFileName(options.Path)}", DatasetBuilder.FromZero(rows));
    }

    /// <summary>
    /// The rounds of a session, all at its time: each prompt is the one before, an answer of as many placeholder words as there are output
    /// tokens, since the real one is not waited for, and the session's blocks again.
    /// </summary>
    private static IEnumerable<string> Rounds(string blocks, int outputLength, int count)
    {
        if (count == 1)
        {
            yield return blocks;
            yield break;
        }
        string answer = string.Join(' ', Enumerable.Repeat("story", outputLength));
        var history = new StringBuilder();
        for (int round = 1; round <= count; round++)
        {
            history.Append(CultureInfo.InvariantCulture, $"Round {round}: {blocks}\n");
            yield return history.ToString();
            history.Append(answer).Append('\n');
        }
    }

    /// <summary>
    /// {"conversations": [[{"messages": [..]}, ..], ..]}: what each turn adds to its conversation, answers left out. A conversation is a row; its
    /// turns follow the real answers.
    /// </summary>
    public static Dataset Agentic(DatasetOptions options, Vocabulary vocabulary)
    {
        if (options.Path.Length == 0) throw new BenchUsageException("--dataset-name agentic-trace needs --dataset-path: a JSON file with conversations");
        JsonArray conversations;
        try
        {
            using FileStream file = Conversations.Open(options.Path);
            conversations = JsonNode.Parse(file)?["conversations"] as JsonArray ?? throw new BenchUsageException($"--dataset-path: '{options.Path}' has no array \"conversations\"");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new BenchUsageException($"--dataset-path: '{options.Path}' is not a JSON object: {e.Message}");
        }
        List<PromptRow> rows = [];
        // The offset turns the set around instead of cutting it, so that several clients can each begin elsewhere.
        for (int i = 0; i < conversations.Count && rows.Count < options.NumPrompts; i++)
        {
            if (conversations[(i + options.Offset) % conversations.Count] is not JsonArray conversation) continue;
            JsonArray[] turns = [.. conversation.Select(turn => (turn as JsonObject)?["messages"] as JsonArray).OfType<JsonArray>().Where(messages => messages.Count > 0)
                .Take(options.AgenticMaxTurns ?? int.MaxValue).Select(messages => (JsonArray)messages.DeepClone())];
            if (turns.Length == 0) continue;
            int length = vocabulary is { Tokenizer: { } tokenizer, Template: not null } ? tokenizer.Encode(vocabulary.Chat("--dataset-name agentic-trace", turns[0], null), addSpecialTokens: false).Length : 0;
            rows.Add(new PromptRow { Messages = turns[0], LaterTurns = turns[1..], PromptLength = length, OutputLength = options.ShareGptOutputLength ?? AgenticOutput });
        }
        return new Dataset("agentic-trace", $"file {Path.GetFileName(options.Path)}", rows);
    }

    internal static IEnumerable<JsonObject> Lines(DatasetOptions options, TextWriter notices)
    {
        if (options.Path.Length == 0) throw new BenchUsageException($"--dataset-name {options.Name} needs --dataset-path: a file of JSON lines");
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
