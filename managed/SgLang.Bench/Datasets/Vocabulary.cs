using System.Text.Json.Nodes;
using SgLang.Tokenization;

namespace SgLang.Bench.Datasets;

/// <summary>What data sets are made with: a tokenizer, or without one only the number of ids.</summary>
/// <param name="Template">The model's chat template; null where it has none.</param>
public sealed record Vocabulary(Tokenizer? Tokenizer, int Size, ChatTemplate? Template = null)
{
    public static Vocabulary Of(Tokenizer tokenizer, ChatTemplate? template = null) => new(tokenizer, tokenizer.VocabularySize, template);

    internal Tokenizer Require(string what) => Tokenizer
        ?? throw new BenchUsageException($"{what} needs a tokenizer, and there is none; use --dataset-name random-ids, or name a tokenizer");

    /// <summary>A single user message through the chat template, up to where the assistant begins. The text contains the special tokens.</summary>
    internal string Chat(string flag, string message) => Chat(flag, new JsonArray(new JsonObject { ["role"] = "user", ["content"] = message }), null);

    /// <summary>A conversation through the chat template, up to where the assistant begins.</summary>
    internal string Chat(string flag, JsonArray messages, JsonArray? tools)
    {
        ChatTemplate template = Template ?? throw new BenchUsageException($"{flag} needs a chat template, and the model has none; leave the flag out, or name an instruct model's tokenizer");
        try
        {
            return template.Render(messages, tools, addGenerationPrompt: true);
        }
        catch (ChatTemplateException e)
        {
            throw new BenchUsageException($"{flag}: the chat template refused the messages: {e.Message}");
        }
    }
}
