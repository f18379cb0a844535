using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace SgLang.Tokenization.Tests;

/// <summary>One string as the reference libraries encode and decode it.</summary>
internal sealed record GoldenString(string Text, int[] Ids, int[] IdsWithSpecial, string Decoded, string DecodedSkipSpecial);

/// <summary>One conversation as the reference renders it, or the error it gives; sometimes also the ids of the rendering.</summary>
internal sealed record GoldenChat(JsonArray Messages, JsonArray? Tools, bool AddGenerationPrompt, string? Rendered, string? Error, int[]? Ids);

internal sealed record Golden(IReadOnlyList<GoldenString> Strings, IReadOnlyList<GoldenChat> Chats)
{
    public static readonly TheoryData<string> Names = ["demo", "llama2", "llama3_1", "qwen3", "deepseek_v3", "gemma3", "gptoss"];

    private static readonly ConcurrentDictionary<string, Tokenizer> s_tokenizers = new();
    private static readonly Lazy<JsonObject> s_demo = new(() => Read("models-demo", "tokenizer_golden.json"));
    private static readonly Lazy<JsonObject> s_real = new(() => Read("tokenizers", "golden.json")["tokenizers"]!.AsObject());

    public static string Directory(string name) => name == "demo" ? TestPaths.DemoModel : TestPaths.RealTokenizer(name);

    public static Tokenizer Tokenizer(string name)
    {
        string directory = Directory(name);
        return s_tokenizers.GetOrAdd(directory, SgLang.Tokenization.Tokenizer.Load);
    }

    public static Golden Of(string name)
    {
        JsonObject root = name == "demo" ? s_demo.Value : s_real.Value[name]!.AsObject();
        return new Golden([.. root["strings"]!.AsArray().Select(node => ReadString(node!.AsObject()))], [.. root["chats"]!.AsArray().Select(node => ReadChat(node!.AsObject()))]);
    }

    private static JsonObject Read(string folder, string file) =>
        JsonNode.Parse(File.ReadAllText(Path.Combine(TestPaths.Root, "tests", "data", folder, file)), documentOptions: new JsonDocumentOptions { MaxDepth = 64 })!.AsObject();

    /// <summary>The demo model's file says ids for those with special tokens and ids_no_special for the others.</summary>
    private static GoldenString ReadString(JsonObject node)
    {
        int[] Ids(string name) => [.. node[name]!.AsArray().Select(id => id!.GetValue<int>())];
        bool isDemo = node.ContainsKey("ids_no_special");
        return new GoldenString(node["text"]!.GetValue<string>(), Ids(isDemo ? "ids_no_special" : "ids"), Ids(isDemo ? "ids" : "ids_with_special"),
            node["decoded"]!.GetValue<string>(), node["decoded_skip_special"]!.GetValue<string>());
    }

    private static GoldenChat ReadChat(JsonObject node) => new(node["messages"]!.AsArray(), node["tools"] as JsonArray,
        node["add_generation_prompt"]?.GetValue<bool>() ?? true, node["rendered"]?.GetValue<string>(), node["error"]?.GetValue<string>(),
        node["ids"] is JsonArray ids ? [.. ids.Select(id => id!.GetValue<int>())] : null);
}
