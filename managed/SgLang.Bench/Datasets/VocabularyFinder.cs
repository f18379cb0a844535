using System.Text.Json;
using System.Text.Json.Nodes;
using SgLang.Tokenization;

namespace SgLang.Bench.Datasets;

/// <summary>A server's vocabulary from this machine's copy of its model.</summary>
internal static class VocabularyFinder
{
    /// <param name="mustBeTokenizer">The user named the directory as a tokenizer's; otherwise config.json is enough, for token ids.</param>
    /// <param name="flag">With which another directory can be named.</param>
    public static async Task<Vocabulary> FindAsync(string directory, bool mustBeTokenizer, string flag, CancellationToken cancellation)
    {
        try
        {
            if (mustBeTokenizer || Tokenizer.IsIn(directory)) return Vocabulary.Of(Tokenizer.Load(directory), ChatTemplate.Load(directory));
            string config = Path.Combine(directory, "config.json");
            if (File.Exists(config) && (int?)JsonNode.Parse(await File.ReadAllTextAsync(config, cancellation))?["vocab_size"] is { } size) return new Vocabulary(null, size);
        }
        catch (Exception e) when (e is TokenizerException or ChatTemplateException or JsonException)
        {
            throw new BenchUsageException($"{flag}: {e.Message}");
        }
        throw new BenchUsageException($"no tokenizer.json, tokenizer.model or config.json in '{directory}'; name the model's directory on this machine with {flag}");
    }
}
